"""A straight line through the last refresh edges: edge time against edge number."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

__all__ = ["EdgeLine"]

_FORGET: Final = 0.95  # a memory of 20 edges: long against jitter, short against the drift of clocks
_JITTER_NS2: Final = 1e10  # (0.1 ms)^2: no edge is taken to be known better
_SHORTEST_NS: Final = 1e6


class EdgeLine:
    """Recursive least squares with exponential forgetting, weighted with the width of the brackets.

    Sums are kept relative to the last edge, so that they stay small whatever the clock's origin.
    """

    __slots__ = ("_n", "_nn", "_nt", "_t", "_weight", "number", "period_ns", "time_ns")

    def __init__(self, edges: Iterable[tuple[int, float, float]], period_ns: float) -> None:
        """Fit a first line.

        Args:
            edges: (number, time, half-width of the bracket), at least one; times in nanoseconds.
            period_ns: the period to go on with where the edges do not tell it.
        """
        self._weight = self._n = self._t = self._nn = self._nt = 0.0
        self.period_ns = period_ns
        self.number, self.time_ns = 0, 0.0
        for number, time_ns, half_ns in edges:
            self.add(number, time_ns, half_ns)

    def add(self, number: int, time_ns: float, half_ns: float) -> None:
        """Take in an edge."""
        self._shift(number - self.number, time_ns - self.time_ns)
        self.number, self.time_ns = number, time_ns
        self._weight += 1.0 / (half_ns * half_ns + _JITTER_NS2)
        spread = self._spread()
        if spread > 0:
            slope = (self._nt - self._n * self._t / self._weight) / spread
            self.period_ns = max(slope, _SHORTEST_NS)

    def fade(self) -> None:
        """Let the edges so far count for a tenth: the next ones may tell of another phase."""
        self._weight, self._n, self._t = self._weight / 10, self._n / 10, self._t / 10
        self._nn, self._nt = self._nn / 10, self._nt / 10

    def predict(self, number: int) -> float:
        """Return the time of an edge."""
        level = (self._t - self.period_ns * self._n) / self._weight
        return self.time_ns + level + (number - self.number) * self.period_ns

    def deviation_ns(self, number: int) -> float:
        """Return the standard deviation of a prediction that follows from the width of the brackets."""
        spread = self._spread()
        if spread <= 0:
            return 0.0
        distance = number - self.number - self._n / self._weight
        return math.sqrt((1 / self._weight + distance * distance / spread) / 3)

    def _spread(self) -> float:
        spread = self._nn - self._n * self._n / self._weight
        return spread if spread > 1e-9 * self._nn else 0.0

    def _shift(self, by_n: int, by_t: float) -> None:
        """Move the origin and let older edges fade."""
        w, n, t = self._weight, self._n, self._t
        self._nt = _FORGET * (self._nt - by_n * t - by_t * n + by_n * by_t * w)
        self._nn = _FORGET * (self._nn - 2 * by_n * n + by_n * by_n * w)
        self._n = _FORGET * (n - by_n * w)
        self._t = _FORGET * (t - by_t * w)
        self._weight = _FORGET * w
