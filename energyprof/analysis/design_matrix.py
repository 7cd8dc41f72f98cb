"""The design matrix: seconds spent in each phase in each interval between refreshes.

Row ``k``, column ``p``: how long the run was in phase ``p`` during interval ``k``. Intervals are where a
sensor's readings say an energy: between two refreshes of a counter, or the averaging window of a power
reading.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from energyprof.analysis.arrays import Floats, Ints, nanoseconds, seconds, sum_by
from energyprof.analysis.windows import boundaries
from energyprof.record.trace import Segments

__all__ = ["ROWS_AT_A_TIME", "phase_seconds_between", "row_chunks", "seconds_in_phases", "segment_at"]

ROWS_AT_A_TIME: Final = 1 << 15
SEGMENTS_AT_A_TIME: Final = 1 << 20
LEAST_S: Final = 1e-10  # clocks tick in nanoseconds: a tenth of one is a rounding error


def segment_at(segments: Segments, time_s: Floats) -> Ints:
    """Return (n,) the index of the segment that each time lies in; -1 before the first, the last after."""
    return np.searchsorted(segments.start_ns, nanoseconds(time_s), side="right") - 1


def row_chunks(first: Ints, last: Ints) -> Iterator[slice]:
    """Cut rows into runs whose matrices and segments stay small; rows are in order of time.

    Args:
        first: (n,) the index of the segment in which each row's interval begins.
        last: (n,) the same of its end.
    """
    row = 0
    while row < len(first):
        most = int(np.searchsorted(last, first[row] + SEGMENTS_AT_A_TIME, side="right"))
        stop = min(max(most, row + 1), row + ROWS_AT_A_TIME)
        yield slice(row, stop)
        row = stop


def phase_seconds_between(segments: Segments, cuts_s: Floats, at: Ints | None = None) -> Floats:
    """Return (n - 1, p) seconds in each phase between (n,) times in order and the next.

    Time before the first segment or after the last counts nowhere.

    Args:
        segments: the segments.
        cuts_s: the times.
        at: the segments that these lie in, where that is known already.
    """
    at = segment_at(segments, cuts_s) if at is None else at
    phases, low, high = len(segments.phases), max(int(at[0]), 0), int(at[-1]) + 1
    if high <= low:
        return np.zeros((len(cuts_s) - 1, phases))
    ends = seconds(boundaries(segments, low, high))
    phase = segments.phase[low:high].astype(np.int64)
    # Each segment goes whole to the row that it begins in; row 0 is before the first cut, row n after all.
    row = np.repeat(np.arange(len(cuts_s) + 1), np.diff(at, prepend=low - 1, append=high - 1))
    total = sum_by(row * phases + phase, np.diff(ends), (len(cuts_s) + 1) * phases).reshape(-1, phases)
    # What of a segment comes after a cut in it belongs to the row after.
    cut = np.flatnonzero(at >= 0)
    later = np.maximum(ends[at[cut] + 1 - low] - cuts_s[cut], 0.0)
    total[cut, phase[at[cut] - low]] -= later
    total[cut + 1, phase[at[cut] - low]] += later
    spent: Floats = total[1:-1]
    spent[spent < LEAST_S] = 0.0  # what is left of a difference
    return spent


def seconds_in_phases(
    segments: Segments, start_s: Floats, end_s: Floats, at: tuple[Ints, Ints] | None = None
) -> Floats:
    """Return (n, p) seconds in each phase in intervals that may overlap or leave time out.

    Those of one that ends before it begins, as ends that are known badly may lie, count negative.

    Args:
        segments: the segments.
        start_s: (n,) when each begins.
        end_s: (n,) when each ends.
        at: the segments that these lie in, where they are known already.
    """
    follow = np.array_equal(start_s[1:], end_s[:-1]) and bool((start_s <= end_s).all())
    if follow:  # one after another: no sorting, half the cuts
        places = None if at is None else np.append(at[0], at[1][-1])
        return phase_seconds_between(segments, np.append(start_s, end_s[-1]), places)
    cuts = np.concatenate([start_s, end_s])
    order = np.argsort(cuts, kind="stable")
    between = phase_seconds_between(segments, cuts[order])
    cumulative = np.concatenate([np.zeros((1, between.shape[1])), np.cumsum(between, axis=0)])
    place = np.empty(len(cuts), np.int64)
    place[order] = np.arange(len(cuts))
    spent: Floats = cumulative[place[len(start_s) :]] - cumulative[place[: len(start_s)]]
    return spent
