"""Change points in a series of runs: where a figure moved and stayed moved.

Binary segmentation on logarithms (A. J. Scott and M. Knott, Biometrics 30 (1974) 507): the split with the
largest Welch t divides the series, if its p-value, times the number of splits tried, lies under the level
(Bonferroni), and if the step is larger than what is worth telling; then each part is searched again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from energyprof.analysis.student_t import t_tail

__all__ = ["ChangePoint", "change_points"]

LEAST_RUNS: Final = 3  # on either side: fewer tell no level


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePoint:
    """A step in a series.

    Attributes:
        index: position of the first value after the step.
        ratio: geometric mean after it over that before it, up to the neighbouring steps.
    """

    index: int
    ratio: float


def change_points(
    values: Sequence[float], *, alpha: float = 0.01, least_step: float = 0.02
) -> tuple[ChangePoint, ...]:
    """Find where a series of positive values moved and stayed moved.

    Args:
        values: in order of time.
        alpha: chance of seeing a step in a series that has none, for each search.
        least_step: smaller steps, as fractions, are not told.

    Raises:
        ValueError: a value is not positive and finite.
    """
    if any(not (v > 0 and math.isfinite(v)) for v in values):
        raise ValueError("change points need positive, finite values")
    logs = np.log(np.asarray(values, np.float64))
    found = sorted(_search(logs, 0, len(logs), alpha, math.log1p(least_step)))
    if not found:
        return ()
    edges = [0, *found, len(logs)]
    levels = [float(np.mean(logs[a:b])) for a, b in pairwise(edges)]
    return tuple(
        ChangePoint(index=index, ratio=math.exp(levels[k + 1] - levels[k])) for k, index in enumerate(found)
    )


def _search(logs: NDArray[np.float64], start: int, end: int, alpha: float, least: float) -> list[int]:
    best = _best_split(logs[start:end])
    if best is None:
        return []
    split, p_value, step = best
    splits = end - start - 2 * LEAST_RUNS + 1
    if p_value * splits >= alpha or abs(step) < least:
        return []
    middle = start + split
    return [
        *_search(logs, start, middle, alpha, least),
        middle,
        *_search(logs, middle, end, alpha, least),
    ]


def _best_split(logs: NDArray[np.float64]) -> tuple[int, float, float] | None:
    """Return the split with the largest t, its two-sided p-value and its step; None if it is too short."""
    n = len(logs)
    k = np.arange(LEAST_RUNS, n - LEAST_RUNS + 1)
    if not len(k):
        return None
    centred = logs - logs.mean()
    sums, squares = np.cumsum(centred), np.cumsum(centred**2)
    left, right = sums[k - 1] / k, (sums[-1] - sums[k - 1]) / (n - k)
    spread_left = np.maximum(squares[k - 1] - k * left**2, 0.0) / (k - 1)
    spread_right = np.maximum(squares[-1] - squares[k - 1] - (n - k) * right**2, 0.0) / (n - k - 1)
    parts = spread_left / k, spread_right / (n - k)
    step, error = right - left, np.sqrt(parts[0] + parts[1])
    t = np.where(
        error > 1e-12, np.abs(step) / np.maximum(error, 1e-12), np.where(np.abs(step) > 1e-9, np.inf, 0.0)
    )
    at = int(np.argmax(t))
    if not error[at] > 1e-12:
        return int(k[at]), 0.0 if step[at] else 1.0, float(step[at])
    df = (parts[0][at] + parts[1][at]) ** 2 / (
        parts[0][at] ** 2 / (k[at] - 1) + parts[1][at] ** 2 / (n - k[at] - 1)
    )
    return int(k[at]), 2 * t_tail(float(t[at]), float(df)), float(step[at])
