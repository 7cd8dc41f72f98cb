"""Epochs, rebuilt from what the profiler logged at their beginning and end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from energyprof.analysis.arrays import NS, Floats, seconds
from energyprof.analysis.attribution import total_quantity, window_quantity
from energyprof.analysis.energy_curve import EnergyCurve
from energyprof.analysis.samples_seen import SamplesSeen
from energyprof.analysis.windows import Windows
from energyprof.record.model import Epoch
from energyprof.record.trace import Metrics

__all__ = ["epochs", "is_reserved", "logged_values", "samples_seen"]

BEGIN: Final = "epoch_begin/"
END: Final = "epoch_end/"
RESERVED: Final = ("samples", "batch_samples")
FIELDS: Final = ("train_loss", "validation_loss", "validation_accuracy")


def is_reserved(name: str) -> bool:
    """Tell whether the profiler, not the training code, logged it."""
    return name in RESERVED or name.startswith((BEGIN, END))


def logged_values(metrics: Metrics) -> dict[str, Floats]:
    """Return the finite values of each metric that the training code logged, in order."""
    found: dict[str, list[float]] = {}
    for name, value in zip(metrics.name, metrics.value.tolist(), strict=True):
        if math.isfinite(value) and not is_reserved(name):
            found.setdefault(name, []).append(value)
    return {name: np.array(values) for name, values in found.items()}


def samples_seen(metrics: Metrics, steps: int) -> int | None:
    """Return the training samples of the whole run; None where nothing was logged of them."""
    count = SamplesSeen()
    for row, name in enumerate(metrics.name):
        if name in RESERVED:
            count.take(metrics, row)
    return count.at(steps)


@dataclass(frozen=True, slots=True)
class _Span:
    """Rows of one epoch, from its begin to its end."""

    stage: str
    first: int
    last: int
    samples: int | None


def epochs(
    metrics: Metrics, curves: Mapping[str, EnergyCurve | None], steps: Windows, window_ns: tuple[int, int]
) -> tuple[Epoch, ...]:
    """Return the epochs that ended, in the order of their ends.

    Args:
        metrics: what was logged, with ``epoch_begin/<stage>`` and ``epoch_end/<stage>``.
        curves: energy by domain; a domain without a curve is not in the energies.
        steps: the windows of all steps.
        window_ns: the measured window.
    """
    busy = _BusyTime(steps)
    return tuple(_epoch(span, metrics, curves, busy, window_ns) for span in _spans(metrics))


def _spans(metrics: Metrics) -> list[_Span]:
    begun: dict[str, int] = {}
    samples, found = SamplesSeen(), []
    for row, name in enumerate(metrics.name):
        if name in RESERVED:
            samples.take(metrics, row)
        elif name.startswith(BEGIN):
            begun[name[len(BEGIN) :]] = row
        elif name.startswith(END) and (first := begun.pop(name[len(END) :], None)) is not None:
            found.append(_Span(name[len(END) :], first, row, samples.at(int(metrics.step[row]))))
    return found


class _BusyTime:
    """Seconds spent in steps up to any time."""

    def __init__(self, steps: Windows) -> None:
        done = np.concatenate([[0.0], np.cumsum(seconds(steps.end_ns - steps.start_ns))])
        self._knots = np.stack([steps.start_ns, steps.end_ns], axis=1).ravel()
        self._seconds = np.stack([done[:-1], done[1:]], axis=1).ravel()

    def between(self, start_ns: int, end_ns: int) -> float | None:
        """Return the seconds in steps, or None where there are no steps at all."""
        if not len(self._knots):
            return None
        low, high = np.interp([start_ns, end_ns], self._knots, self._seconds)
        return float(high - low)


def _epoch(
    span: _Span,
    metrics: Metrics,
    curves: Mapping[str, EnergyCurve | None],
    busy: _BusyTime,
    window_ns: tuple[int, int],
) -> Epoch:
    start, end = (int(metrics.t_ns[row]) for row in (span.first, span.last))
    index = float(metrics.value[span.first])
    logged = _logged(metrics, span)
    cumulative = {name: window_quantity(curve, (window_ns[0], end)) for name, curve in curves.items()}
    return Epoch(
        index=int(index) if math.isfinite(index) else 0,
        stage=span.stage,
        start_s=(start - window_ns[0]) * NS,
        end_s=(end - window_ns[0]) * NS,
        train_s=busy.between(start, end),
        samples=span.samples,
        energy_j=total_quantity({name: window_quantity(c, (start, end)) for name, c in curves.items()}),
        cumulative_energy_j=total_quantity(cumulative).value,
        train_loss=logged.get("train_loss"),
        validation_loss=logged.get("validation_loss"),
        validation_accuracy=logged.get("validation_accuracy"),
        metrics={name: value for name, value in logged.items() if name not in FIELDS},
    )


def _logged(metrics: Metrics, span: _Span) -> dict[str, float | None]:
    """Return what was logged last under each name within an epoch; None where it was not finite."""
    rows = [row for row in range(span.first, span.last) if not is_reserved(metrics.name[row])]
    values = {metrics.name[row]: float(metrics.value[row]) for row in rows}
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
