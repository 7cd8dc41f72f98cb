"""When a stage has converged: patience on one watched value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

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

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        rule = {"epochs": self._epochs, "min_delta": self._min_delta}
        return {**rule, "best": self.best, "best_epoch": self.best_epoch, "last": self._last}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Patience:
        """Return what :meth:`as_dict` was made of."""
        patience = cls(data["epochs"], data["min_delta"])
        patience.best, patience.best_epoch, patience._last = data["best"], data["best_epoch"], data["last"]
        return patience

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
