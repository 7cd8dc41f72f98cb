"""Windows of time: segments cut to the measured window, the steps they form, the occurrences of phases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from energyprof.analysis.arrays import seconds, sum_by
from energyprof.record.trace import UNATTRIBUTED, Segments, Trace

__all__ = ["Windows", "occurrences", "phase_seconds", "step_windows", "window_segments"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Half-open intervals of time, in order.

    Attributes:
        label: (n,) int64: what each is of: a step's number, or a phase's index.
        start_ns: (n,) int64.
        end_ns: (n,) int64.
        first: (n,) int64: the index of its first segment.
    """

    label: NDArray[np.int64]
    start_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    first: NDArray[np.int64]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.start_ns)


def window_segments(trace: Trace) -> Segments:
    """Return the segments that cover the measured window exactly: cut to it, filled with *unattributed*.

    Segments of no length at the window's ends are left out.
    """
    open_ns, close_ns = trace.window_ns
    whole = trace.segments
    count = len(whole.start_ns)
    lo = int(np.searchsorted(whole.start_ns, open_ns, side="right")) - 1 if count else 0
    hi = int(np.searchsorted(whole.start_ns, close_ns, side="left"))
    lo = min(max(lo, 0), hi)
    phases = whole.phases if UNATTRIBUTED in whole.phases else (*whole.phases, UNATTRIBUTED)
    nowhere = phases.index(UNATTRIBUTED)
    start = np.maximum(whole.start_ns[lo:hi], open_ns)
    phase, step = whole.phase[lo:hi], whole.step[lo:hi]
    if not len(start) or start[0] > open_ns:
        start, phase, step = _put(start, phase, step, 0, (open_ns, nowhere))
    if whole.end_ns < close_ns and count:
        start, phase, step = _put(start, phase, step, len(start), (max(whole.end_ns, open_ns), nowhere))
    return Segments(start_ns=start, phase=phase, step=step, phases=phases, end_ns=close_ns)


def _put(
    start: NDArray[np.int64],
    phase: NDArray[np.int32],
    step: NDArray[np.int64],
    at: int,
    row: tuple[int, int],
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
    return np.insert(start, at, row[0]), np.insert(phase, at, row[1]), np.insert(step, at, -1)


def step_windows(segments: Segments) -> Windows:
    """Return one window a step: from its first segment's start to its last segment's end."""
    return _runs(segments, segments.step, segments.step >= 0)


def occurrences(segments: Segments) -> Windows:
    """Return one window for each unbroken stay in a phase; ``label`` is the phase's index."""
    return _runs(segments, segments.phase, np.ones(len(segments.phase), bool))


def phase_seconds(segments: Segments) -> NDArray[np.float64]:
    """Return (p,) seconds spent in each phase."""
    lengths = np.diff(segments.start_ns, append=segments.end_ns)
    return sum_by(segments.phase, seconds(lengths), len(segments.phases))


def _runs(segments: Segments, label: NDArray[np.integer], keep: NDArray[np.bool_]) -> Windows:
    if not len(label):
        empty = np.empty(0, np.int64)
        return Windows(label=empty, start_ns=empty, end_ns=empty, first=empty)
    first = np.flatnonzero(np.concatenate([[True], label[1:] != label[:-1]]))
    end = np.append(segments.start_ns[first[1:]], segments.end_ns)
    kept = keep[first]
    first = first[kept]
    return Windows(
        label=label[first].astype(np.int64),
        start_ns=segments.start_ns[first],
        end_ns=end[kept],
        first=first,
    )
