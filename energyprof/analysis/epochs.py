"""Epochs, rebuilt from what the profiler logged at their beginning and end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from energyprof.analysis.arrays import NS
from energyprof.analysis.attribution import total_quantity, window_quantity
from energyprof.analysis.energy_curve import EnergyCurve
from energyprof.analysis.windows import Windows
from energyprof.record.model import Epoch
from energyprof.record.trace import Metrics

__all__ = ["epochs", "is_reserved", "last_values", "samples_by_step"]

BEGIN: Final = "epoch_begin/"
END: Final = "epoch_end/"
_RESERVED: Final = ("samples", "batch_samples")
_FIELDS: Final = ("train_loss", "validation_loss", "validation_accuracy")


def is_reserved(name: str) -> bool:
    """Tell whether the profiler, not the training code, logged it."""
    return name in _RESERVED or name.startswith((BEGIN, END))


def samples_by_step(metrics: Metrics, row: int, steps: int) -> int | None:
    """Return the training samples seen, by what was logged before ``row``.

    The last exact count, and for the steps since then the samples a step in force at each of them; None where
    nothing tells.

    Args:
        metrics: all that was logged.
        row: the rows before this one count.
        steps: the number of steps finished by then.
    """
    exact, since, batch = 0.0, 0, None
    known = False
    for k in range(row):
        name, value, step = metrics.name[k], float(metrics.value[k]), int(metrics.step[k])
        if name == "samples" and math.isfinite(value):
            exact, since, known = value, step, True
        elif name == "batch_samples" and math.isfinite(value):
            if batch is not None:
                exact += batch * (step - since)
            batch, since, known = value, step, True
    if not known:
        return None
    return round(exact + (batch or 0.0) * max(steps - since, 0))


@dataclass(frozen=True, slots=True)
class _Open:
    row: int
    t_ns: int
    index: int


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
    begun: dict[str, _Open] = {}
    found = []
    busy = _BusyTime(steps)
    for row, name in enumerate(metrics.name):
        if name.startswith(BEGIN):
            value = float(metrics.value[row])
            begun[name[len(BEGIN) :]] = _Open(
                row, int(metrics.t_ns[row]), int(value) if math.isfinite(value) else 0
            )
        elif name.startswith(END) and (opened := begun.pop(name[len(END) :], None)) is not None:
            found.append(_epoch(name[len(END) :], opened, row, metrics, curves, busy, window_ns))
    return tuple(found)


class _BusyTime:
    """Seconds spent in steps up to any time."""

    def __init__(self, steps: Windows) -> None:
        self._knots = np.stack([steps.start_ns, steps.end_ns], axis=1).ravel()
        lengths = (steps.end_ns - steps.start_ns) * NS
        done = np.concatenate([[0.0], np.cumsum(lengths)])
        self._seconds = np.stack([done[:-1], done[1:]], axis=1).ravel()

    def between(self, start_ns: int, end_ns: int) -> float | None:
        """Return the seconds in steps, or None where there are no steps at all."""
        if not len(self._knots):
            return None
        low, high = np.interp([start_ns, end_ns], self._knots, self._seconds)
        return float(high - low)


def _epoch(
    stage: str,
    opened: _Open,
    row: int,
    metrics: Metrics,
    curves: Mapping[str, EnergyCurve | None],
    busy: _BusyTime,
    window_ns: tuple[int, int],
) -> Epoch:
    start, end = opened.t_ns, int(metrics.t_ns[row])
    logged = {
        metrics.name[k]: float(metrics.value[k])
        for k in range(opened.row, row)
        if not is_reserved(metrics.name[k])
    }
    finite = {name: value if math.isfinite(value) else None for name, value in logged.items()}
    return Epoch(
        index=opened.index,
        stage=stage,
        start_s=(start - window_ns[0]) * NS,
        end_s=(end - window_ns[0]) * NS,
        train_s=busy.between(start, end),
        samples=samples_by_step(metrics, row, int(metrics.step[row])),
        energy_j=total_quantity({d: window_quantity(c, (start, end)) for d, c in curves.items()}),
        cumulative_energy_j=total_quantity(
            {d: window_quantity(c, (window_ns[0], end)) for d, c in curves.items()}
        ).value,
        train_loss=finite.get("train_loss"),
        validation_loss=finite.get("validation_loss"),
        validation_accuracy=finite.get("validation_accuracy"),
        metrics={name: value for name, value in finite.items() if name not in _FIELDS},
    )


def last_values(metrics: Metrics) -> dict[str, NDArray[np.float64]]:
    """Return the finite values of each metric that the training code logged, in order."""
    found: dict[str, list[float]] = {}
    for name, value in zip(metrics.name, metrics.value.tolist(), strict=True):
        if math.isfinite(value) and not is_reserved(name):
            found.setdefault(name, []).append(value)
    return {name: np.array(values) for name, values in found.items()}
