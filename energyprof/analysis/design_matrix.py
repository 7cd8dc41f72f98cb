"""The design matrix: seconds spent in each phase in each interval between refreshes.

Row ``k``, column ``p``: how long the run was in phase ``p`` during interval ``k``. Intervals are where a
sensor's readings say an energy: between two refreshes of a counter, or the averaging window of a power
reading.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from energyprof.analysis.arrays import NS, Floats, Ints, nanoseconds, sum_by
from energyprof.record.trace import Segments

__all__ = ["ROWS_AT_A_TIME", "phase_seconds_between", "row_chunks", "seconds_in_phases"]

ROWS_AT_A_TIME: Final = 1 << 15
SEGMENTS_AT_A_TIME: Final = 1 << 20


def row_chunks(segments: Segments, start_s: Floats, end_s: Floats) -> Iterator[slice]:
    """Cut rows into runs whose matrices and segments stay small; rows are in order of time.

    Args:
        segments: the segments that the rows overlap with.
        start_s: (n,) when each row's interval begins.
        end_s: (n,) when it ends.
    """
    touched = np.searchsorted(segments.start_ns, nanoseconds(end_s))
    begun = np.maximum(np.searchsorted(segments.start_ns, nanoseconds(start_s)) - 1, 0)
    row = 0
    while row < len(start_s):
        most = int(np.searchsorted(touched, begun[row] + SEGMENTS_AT_A_TIME, side="right"))
        stop = min(max(most, row + 1), row + ROWS_AT_A_TIME)
        yield slice(row, stop)
        row = stop


def phase_seconds_between(segments: Segments, cuts_s: Floats) -> Floats:
    """Return (n - 1, p) seconds in each phase between (n,) times in order and the next.

    Time before the first segment or after the last counts nowhere.
    """
    rows, phases = len(cuts_s) - 1, len(segments.phases)
    start, phase = _overlapping(segments, cuts_s)
    time = np.concatenate([cuts_s, start])
    order = np.argsort(time, kind="stable")
    time = time[order]
    is_cut = order < len(cuts_s)
    row = np.cumsum(is_cut) - 1
    segment = np.cumsum(~is_cut) - 1
    length = np.diff(time)
    inside = (row[:-1] >= 0) & (row[:-1] < rows) & (segment[:-1] >= 0) & (segment[:-1] < len(phase))
    cell = row[:-1][inside] * phases + phase[segment[:-1][inside]]
    return sum_by(cell, length[inside], rows * phases).reshape(rows, phases)


def _overlapping(segments: Segments, cuts_s: Floats) -> tuple[Floats, Ints]:
    """Return the starts (and last end) of the segments that overlap with the cuts, and their phases."""
    first, last = nanoseconds(cuts_s[[0, -1]])
    low = max(int(np.searchsorted(segments.start_ns, first, side="right")) - 1, 0)
    high = max(int(np.searchsorted(segments.start_ns, last, side="left")), low)
    ends = segments.end_ns if high == len(segments.start_ns) else segments.start_ns[high]
    start = np.append(segments.start_ns[low:high], ends) * NS
    return start, segments.phase[low:high].astype(np.int64)


def seconds_in_phases(segments: Segments, start_s: Floats, end_s: Floats) -> Floats:
    """Return (n, p) seconds in each phase in intervals that may overlap or leave time out."""
    cuts = np.concatenate([start_s, end_s])
    order = np.argsort(cuts, kind="stable")
    between = phase_seconds_between(segments, cuts[order])
    cumulative = np.concatenate([np.zeros((1, between.shape[1])), np.cumsum(between, axis=0)])
    place = np.empty(len(cuts), np.int64)
    place[order] = np.arange(len(cuts))
    spent: Floats = cumulative[place[len(start_s) :]] - cumulative[place[: len(start_s)]]
    return spent
