"""Training samples seen, from what the profiler logged."""

from __future__ import annotations

import math

from energyprof.record.trace import Metrics

__all__ = ["SamplesSeen"]


class SamplesSeen:
    """Counts samples along the metrics, row by row.

    ``samples`` is an exact count at its moment; ``batch_samples`` says how many a step from then on.
    """

    def __init__(self) -> None:
        self._exact = 0.0
        self._since_step = 0
        self._a_step: float | None = None
        self._known = False

    def take(self, metrics: Metrics, row: int) -> None:
        """Take in one row; rows come in order."""
        name, value, step = metrics.name[row], float(metrics.value[row]), int(metrics.step[row])
        if name not in ("samples", "batch_samples") or not math.isfinite(value):
            return
        if name == "samples":
            self._exact = value
        else:
            self._exact += (self._a_step or 0.0) * (step - self._since_step)
            self._a_step = value
        self._since_step, self._known = step, True

    def at(self, steps: int) -> int | None:
        """Return the samples seen once ``steps`` steps are finished; None where nothing was logged."""
        if not self._known:
            return None
        return round(self._exact + (self._a_step or 0.0) * max(steps - self._since_step, 0))
