"""The likeliest time of each refresh: its bracket, and the regularity of the sensor.

A refresh is known to lie in a bracket between two polls. Sensors refresh at a steady period, so that the
brackets around tell more: a straight line through the neighbours predicts each refresh, and is believed as
far as this sensor has been found to keep to it. One that does not is left at the middle of its bracket.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from energyprof.analysis.arrays import Floats, Ints

__all__ = ["EdgeTimes", "edge_times"]

REACHES: Final = (3, 12, 48)  # neighbours on each side; the reach that predicts best is taken
ENOUGH: Final = 1 << 16  # refreshes to choose the reach by
LEAST_EDGES: Final = 8
COUNTED: Final = 4.5  # periods: further apart they cannot be counted by a period known to 10 %
SILENCE: Final = 20.0  # periods after which counting them is not relied on
STALE: Final = 1.5  # periods: a wider bracket is that of a call that hung, and its value may be older
GRID_SLACK: Final = 0.05  # of a period: refreshes are not quite regular
ROWS: Final = 4096  # at a time: sums stay small enough to be subtracted from one another
NO_VARIANCE_S2: Final = 1e-12  # a microsecond: clocks are not better


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeTimes:
    """Likeliest times.

    Attributes:
        at_s: (n,) inside the brackets, non-decreasing.
        deviation_s: (n,) standard deviation of each.
    """

    at_s: Floats
    deviation_s: Floats


def edge_times(since_s: Floats, until_s: Floats, refresh_s: float | None = None) -> EdgeTimes:
    """Estimate when each refresh was.

    Args:
        since_s: (n,) earliest time of each.
        until_s: (n,) latest time of each.
        refresh_s: the sensor's period, about; None where it is not known. Refreshes that were seen may be
            several periods apart: it says how many.
    """
    at, deviation = 0.5 * (since_s + until_s), np.sqrt((until_s - since_s) ** 2 / 12 + NO_VARIANCE_S2)
    period = _period(np.diff(until_s), refresh_s)
    narrow = until_s - since_s < 0.5 * period
    if int(narrow.sum()) >= LEAST_EDGES:
        sharp = _sharp_times(since_s[narrow], until_s[narrow], period)
        at[narrow], deviation[narrow] = sharp.at_s, sharp.deviation_s
        at[~narrow] = _latest_on_grid(since_s[~narrow], until_s[~narrow], sharp.at_s, period)
    return EdgeTimes(at_s=np.maximum.accumulate(at), deviation_s=deviation)


def _period(apart: Floats, refresh_s: float | None) -> float:
    """Return the time between refreshes: what those seen are apart, over how many periods that is."""
    if not len(apart):
        return 0.0
    usual = float(np.median(apart))
    if refresh_s is None or not 0 < refresh_s < usual:
        return usual
    several = apart[apart < COUNTED * refresh_s]
    several = several[several > 0.5 * refresh_s]
    return float(np.median(several / np.rint(several / refresh_s))) if len(several) else usual


def _latest_on_grid(since: Floats, until: Floats, sharp: Floats, period: float) -> Floats:
    """Place refreshes of wide brackets, such as the first after a gap: the last before they were read.

    They lie whole periods before the next refresh whose time is known; in the middle where that is outside.
    """
    following = sharp[np.minimum(np.searchsorted(sharp, until), len(sharp) - 1)]
    periods = np.ceil((following - until) / period - GRID_SLACK)
    placed = np.minimum(following - np.maximum(periods, 1) * period, until)
    fits = (placed >= since) & (following > until) & (until - since < STALE * period)
    times: Floats = np.where(fits, placed, 0.5 * (since + until))
    return times


def _sharp_times(since_s: Floats, until_s: Floats, period: float) -> EdgeTimes:
    """Estimate refreshes of narrow brackets, at least a few of them."""
    middle, variance = 0.5 * (since_s + until_s), (until_s - since_s) ** 2 / 12 + NO_VARIANCE_S2
    begin = max(len(middle) - ENOUGH, 0) // 2
    some = slice(begin, begin + ENOUGH)

    def error(reach: int) -> float:
        return float(np.median(_prediction(middle[some], variance[some], reach, period)[2]))

    line, least, usual = _prediction(middle, variance, min(REACHES, key=error), period)
    trust = variance / (variance + least)
    at = np.clip(middle + trust * (line - middle), since_s, until_s)
    return EdgeTimes(at_s=at, deviation_s=np.sqrt((1 - trust) ** 2 * variance + trust**2 * usual))


def _prediction(middle: Floats, variance: Floats, reach: int, period: float) -> tuple[Floats, Floats, Floats]:
    """Return what the neighbours say of each time, and the least and the likeliest variance of that.

    What predictions miss by, beyond what brackets and line explain, is how irregular the sensor is. The least
    that it can be decides how far the line is trusted: to trust it too much leaves errors that are
    independent of it, which do no harm to a regression; to trust it too little brings in those of the
    brackets, which do.
    """
    line, spread = _lines(middle, variance, reach, period)
    excess = (middle - line) ** 2 - variance - spread
    excess = np.minimum(excess, 10 * float(np.median(np.abs(excess))) + NO_VARIANCE_S2)
    usual, error = float(excess.mean()), float(excess.std()) / len(excess) ** 0.5
    return line, spread + max(usual - 2 * error, 0.0), spread + max(usual, 0.0)


def _lines(middle: Floats, variance: Floats, reach: int, period: float) -> tuple[Floats, Floats]:
    """Fit a weighted line to the neighbours of each time, itself left out; return its value and variance."""
    period = max(period, 1e-9)
    waited = np.diff(middle) / period
    number = np.concatenate([[0.0], np.cumsum(np.rint(waited))])
    breaks = np.concatenate([[0], np.flatnonzero(waited > SILENCE) + 1, [len(middle)]])
    line, spread = np.empty_like(middle), np.empty_like(middle)
    for begin, end in zip(breaks[:-1].tolist(), breaks[1:].tolist(), strict=True):
        for start in range(begin, end, ROWS):
            stop = min(start + ROWS, end)
            near = slice(max(start - reach, begin), min(stop + reach, end))
            rows = np.arange(start - near.start, stop - near.start)
            found = _local_lines(number[near], middle[near], 1 / variance[near], rows, reach, period)
            line[start:stop], spread[start:stop] = found
    return line, spread


def _local_lines(
    number: Floats, time: Floats, weight: Floats, rows: Ints, reach: int, period: float
) -> tuple[Floats, Floats]:
    """Fit lines around some rows of a stretch, by differences of cumulative sums."""
    x = number - number[0]
    y = time - time[0] - period * x
    low, high = np.maximum(rows - reach, 0), np.minimum(rows + reach + 1, len(x))

    def around(values: Floats) -> Floats:
        total = np.concatenate([[0.0], np.cumsum(values)])
        sums: Floats = total[high] - total[low] - values[rows]
        return sums

    here = x[rows]
    zero, first, second = around(weight), around(weight * x), around(weight * x * x)
    first_y, cross = around(weight * y), around(weight * x * y)
    # From sums about the origin to sums about each row.
    second = second - 2 * here * first + here**2 * zero
    first, cross = first - here * zero, cross - here * first_y
    spread = zero * second - first**2
    known = spread > 1e-6 * zero * np.maximum(second, 1e-300)
    safe = np.where(known, spread, 1.0)
    value = np.where(known, (second * first_y - first * cross) / safe, y[rows])
    return time[0] + period * here + value, np.where(known, second / safe, 1e6)
