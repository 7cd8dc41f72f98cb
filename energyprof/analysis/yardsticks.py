"""Yardsticks: the figures in which runs are compared, and what one of them says over the runs of an arm."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from energyprof.analysis.statistics import one_sample_log, one_sample_mean
from energyprof.record.model import Report

__all__ = ["CONFIDENCE", "YARDSTICKS", "Statistic", "Yardstick", "statistic"]

CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Yardstick:
    """A figure in which runs are compared.

    Attributes:
        unit: SI, ``"%"`` for a fraction, or empty for a count.
        log: compared as a logarithm (ratios) or as it is (differences of accuracy).
    """

    name: str
    title: str
    unit: str
    read: Callable[[Report], float | None]
    log: bool = True


YARDSTICKS: Final[Mapping[str, Yardstick]] = {
    item.name: item
    for item in (
        Yardstick(name="energy_j", title="Energy", unit="J", read=lambda r: r.totals.energy_j.value),
        Yardstick(
            name="above_idle_energy_j",
            title="Above idle",
            unit="J",
            read=lambda r: r.totals.above_idle_energy_j.value,
        ),
        Yardstick(
            name="energy_per_sample_j",
            title="Energy a sample",
            unit="J",
            read=lambda r: r.totals.energy_per_sample_j.value,
        ),
        Yardstick(name="duration_s", title="Time", unit="s", read=lambda r: r.totals.duration_s),
        Yardstick(name="mean_power_w", title="Mean power", unit="W", read=lambda r: r.totals.mean_power_w),
        Yardstick(name="samples", title="Samples", unit="", read=lambda r: r.totals.samples),
        Yardstick(
            name="peak_device_memory_bytes",
            title="Peak device memory",
            unit="B",
            read=lambda r: r.totals.peak_device_memory_bytes,
        ),
        Yardstick(
            name="validation_accuracy",
            title="Validation accuracy",
            unit="%",
            read=lambda r: r.quality.validation_accuracy,
            log=False,
        ),
        Yardstick(
            name="test_accuracy",
            title="Test accuracy",
            unit="%",
            read=lambda r: r.quality.test_accuracy,
            log=False,
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """One figure over the runs of an arm.

    Attributes:
        value: geometric mean (arithmetic for accuracies), or the value of the only run.
        low: lower end of its 95 % interval, or None for fewer than two runs.
        values: run by run, None where a run does not have it.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    values: tuple[float | None, ...]


def statistic(values: Sequence[float | None], log: bool) -> Statistic:
    """Sum up the values of an arm; left out is what is missing, not finite or, if ``log``, not positive."""
    known = [v for v in values if v is not None and math.isfinite(v) and (v > 0 or not log)]
    if not known:
        return Statistic(value=None, low=None, high=None, n=0, values=tuple(values))
    if len(known) == 1:
        return Statistic(value=known[0], low=None, high=None, n=1, values=tuple(values))
    estimate = one_sample_log(known, CONFIDENCE) if log else one_sample_mean(known, CONFIDENCE)
    return Statistic(
        value=estimate.value, low=estimate.low, high=estimate.high, n=len(known), values=tuple(values)
    )
