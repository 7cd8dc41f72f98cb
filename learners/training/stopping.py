"""When a stage has converged: patience on one watched figure of its evaluations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

__all__ = ["WATCHABLE", "Patience", "Watched"]

Watched = Literal["loss", "accuracy"]
"""Which figure of an evaluation decides: the loss, better low, or the accuracy, better high."""

WATCHABLE: Final[tuple[Watched, ...]] = get_args(Watched)


class Patience:
    """Tells when a value has not improved for a number of epochs; an equal one is no improvement.

    Args:
        epochs: how many epochs in a row without improvement end it; None: never.
        min_delta: by more than how much the value must be better than the best to be an improvement.
        watched: what the values are: losses are better low, accuracies high.

    Attributes:
        watched: as given.
        best: the best value so far, the worst there can be (an infinity) before the first.
        best_epoch: its epoch, the first of equals; or None.
    """

    def __init__(self, epochs: int | None, min_delta: float = 0.0, watched: Watched = "loss") -> None:
        self._epochs, self._min_delta, self.watched = epochs, min_delta, watched
        self._sign = 1.0 if watched == "loss" else -1.0  # times a value: better low
        self.best = self._sign * math.inf
        self.best_epoch: int | None = None
        self._last = -1

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        rule = {"epochs": self._epochs, "min_delta": self._min_delta, "watched": self.watched}
        return {**rule, "best": self.best, "best_epoch": self.best_epoch, "last": self._last}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Patience:
        """Return what :meth:`as_dict` was made of; before there was a choice, the loss was watched."""
        patience = cls(data["epochs"], data["min_delta"], data.get("watched", "loss"))
        patience.best, patience.best_epoch, patience._last = data["best"], data["best_epoch"], data["last"]
        return patience

    def improves(self, epoch: int, value: float) -> bool:
        """Take the value of an epoch; tell whether it is the best so far."""
        self._last = epoch
        better = self._sign * value < self._sign * self.best - self._min_delta
        if better:
            self.best, self.best_epoch = value, epoch
        return better

    @property
    def exhausted(self) -> bool:
        """Tell whether it is time to stop."""
        if self._epochs is None:
            return False
        return self._last - (-1 if self.best_epoch is None else self.best_epoch) >= self._epochs
