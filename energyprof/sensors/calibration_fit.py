"""Estimators of a calibration: refresh period and jitter from edges, window and lag from steps of power.

A step of power shows in a reading whose refresh comes ``x`` later as the share
``clip((x - lag) / window, 0, 1)`` of the step: a reading averages the ``window`` before it, ``lag`` ago.
Steps at many phases trace that ramp; its begin is the lag and its length the window. (Yang, Adamek and
Armour, SC24, find windows from loads at many phases too.)
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["fit_grid", "fit_ramp", "step_shares"]

Floats = NDArray[np.float64]

_FEWEST_EDGES: Final = 8
_FEWEST_PARTIAL: Final = 3  # points on the ramp itself: fewer do not tell its length
_GRID: Final = 61
_ROUNDS: Final = 4
_SMALLEST_STEP: Final = 0.2  # of the typical one: others are not used


def fit_grid(since_s: Floats, until_s: Floats) -> tuple[float, float, float] | None:
    """Fit an even grid to the times at which a value changed.

    Args:
        since_s: (n,) earliest time of each change.
        until_s: (n,) latest time of each.

    Returns:
        Period, time of one grid point, and jitter (standard deviation of the changes about the grid, what the
        polling does not tell taken off); None where there are too few changes.
    """
    if len(since_s) < _FEWEST_EDGES:
        return None
    at = 0.5 * (since_s + until_s)
    period = _typical_period(np.diff(at))
    number = np.concatenate([[0.0], np.cumsum(np.maximum(1.0, np.rint(np.diff(at) / period)))])
    for _ in range(2):  # with a better period the numbers of far edges come out right
        period, first = np.polyfit(number, at, 1)
        number = np.rint((at - first) / period)
    residual = at - (first + number * period)
    spread = float(np.median(np.abs(residual)) * 1.4826) ** 2
    polling = float(np.mean((until_s - since_s) ** 2)) / 12
    return float(period), float(first), float(np.sqrt(max(spread - polling, 0.0)))


def _typical_period(steps: Floats) -> float:
    """Return the time between neighbouring changes; steps over several refreshes are left out."""
    shortest = float(np.percentile(steps, 20))
    return float(np.median(steps[steps < 1.5 * shortest]))


def step_shares(
    edges_s: Floats, values: Floats, on_s: Floats, off_s: Floats, reach_s: float
) -> tuple[Floats, Floats]:
    """Return how long after each step a refresh came, and what share of the step it showed.

    Args:
        edges_s: (n,) refreshes, increasing.
        values: (n,) what each showed.
        on_s: (k,) when power rose.
        off_s: (k,) when it fell again.
        reach_s: how long after a step refreshes are looked at.
    """
    before = np.searchsorted(edges_s, on_s) - 1
    last = np.searchsorted(edges_s, off_s) - 1
    usable = (before >= 0) & (last > before + 1)
    base, rise = values[before[usable]], values[last[usable]] - values[before[usable]]
    sound = rise > _SMALLEST_STEP * np.median(rise) if len(rise) else np.empty(0, bool)
    x: list[float] = []
    share: list[float] = []
    for start, low, size in zip(on_s[usable][sound], base[sound], rise[sound], strict=True):
        chosen = np.flatnonzero((edges_s > start - 0.25 * reach_s) & (edges_s < start + reach_s))
        x.extend(edges_s[chosen] - start)
        share.extend((values[chosen] - low) / size)
    return np.array(x), np.array(share)


def fit_ramp(x_s: Floats, share: Floats, longest_s: float) -> tuple[float, float] | None:
    """Fit ``clip((x - lag) / window, 0, 1)`` by least squares; return lag and window.

    Args:
        x_s: (n,) time from step to refresh.
        share: (n,) of the step that the refresh showed.
        longest_s: the longest window to think of.

    Returns:
        None where too few points lie on the ramp itself.
    """
    if int(((share > 0.1) & (share < 0.9)).sum()) < _FEWEST_PARTIAL:
        return None
    lag, window = (-0.2 * longest_s, longest_s), (0.005 * longest_s, 1.3 * longest_s)
    for _ in range(_ROUNDS):
        lags, windows = np.linspace(lag[0], lag[1], _GRID), np.linspace(window[0], window[1], _GRID)
        model = np.clip((x_s - lags[:, None, None]) / windows[None, :, None], 0.0, 1.0)
        error = np.abs(model - share).sum(axis=2)  # absolute: single odd readings do not decide
        i, k = np.unravel_index(int(np.argmin(error)), error.shape)
        lag, window = _around(lags, int(i)), _around(windows, int(k))
        window = (max(window[0], 0.001 * longest_s), window[1])
    return float(lags[i]), float(windows[k])


def _around(grid: Floats, index: int) -> tuple[float, float]:
    """Return an interval of a few grid steps around a grid point."""
    step = float(grid[1] - grid[0])
    return float(grid[index]) - 3 * step, float(grid[index]) + 3 * step
