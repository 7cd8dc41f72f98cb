"""Energy, time and samples to a target accuracy: censored data, because some runs never reach it.

A run has reached the target when the metric has held it for ``sustained`` evaluations in a row; what it took
is what had been spent at the last of these, the first moment at which anyone could know. A run that never
gets there counts as infinite.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from energyprof.gate.metric import Reading
from energyprof.record.model import Epoch, Provenance, Report

__all__ = ["Target", "readings_to_target"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What counts as having learned.

    Attributes:
        metric: logged once an epoch; an accuracy, so at least ``value`` is meant.
        value: fraction in (0, 1].
        sustained: evaluations in a row that must hold it.
    """

    metric: str = "validation_accuracy"
    value: float
    sustained: int = 1


def readings_to_target(report: Report, target: Target) -> dict[str, Reading]:
    """Return the figures to the target, infinite where the run never held it.

    A run in which the metric was never logged has none of them: that is missing, not infinite.
    """
    scored = [
        (epoch, value) for epoch in report.epochs if (value := _score(epoch, target.metric)) is not None
    ]
    if not scored:
        return {}
    reached = _first_sustained([value >= target.value for _, value in scored], target.sustained)
    if reached is None:
        return {
            name: Reading(value=math.inf)
            for name in ("energy_to_accuracy_j", "duration_to_accuracy_s", "samples_to_accuracy")
        }
    epoch = scored[reached][0]
    estimated = report.totals.energy_j.source is Provenance.ESTIMATED
    figures = {
        "energy_to_accuracy_j": epoch.cumulative_energy_j,
        "duration_to_accuracy_s": epoch.end_s,
        "samples_to_accuracy": epoch.samples,
    }
    return {
        name: Reading(value=float(value), estimated=estimated and name.startswith("energy"))
        for name, value in figures.items()
        if value is not None
    }


def _score(epoch: Epoch, metric: str) -> float | None:
    if metric == "validation_accuracy" and epoch.validation_accuracy is not None:
        return epoch.validation_accuracy
    return epoch.metrics.get(metric)


def _first_sustained(holds: Sequence[bool], sustained: int) -> int | None:
    streak = 0
    for index, held in enumerate(holds):
        streak = streak + 1 if held else 0
        if streak >= sustained:
            return index
    return None
