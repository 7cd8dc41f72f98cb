"""When a stage has converged: patience on one watched value."""

from __future__ import annotations

import math

__all__ = ["Patience"]


class Patience:
    """Tells when a value, better low, has not improved for a number of epochs.

    Args:
        epochs: how many epochs in a row without improvement end it; None: never.
        min_delta: by how much the value must be lower than the best to be an improvement.

    Attributes:
        best: the lowest value so far, infinite before the first.
        best_epoch: its epoch, or None.
    """

    def __init__(self, epochs: int | None, min_delta: float = 0.0) -> None:
        self._epochs, self._min_delta = epochs, min_delta
        self.best = math.inf
        self.best_epoch: int | None = None
        self._last = -1

    def improves(self, epoch: int, value: float) -> bool:
        """Take the value of an epoch; tell whether it is the best so far."""
        self._last = epoch
        better = value < self.best - self._min_delta
        if better:
            self.best, self.best_epoch = value, epoch
        return better

    @property
    def exhausted(self) -> bool:
        """Tell whether it is time to stop."""
        if self._epochs is None:
            return False
        return self._last - (-1 if self.best_epoch is None else self.best_epoch) >= self._epochs
