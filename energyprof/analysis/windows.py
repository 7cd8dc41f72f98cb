"""Windows of time: segments cut to the measured window, the steps they form, the occurrences of phases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from energyprof.analysis.arrays import Bools, Floats, Ints, Times, seconds_between, sum_by
from energyprof.record.trace import UNATTRIBUTED, Segments, Trace

__all__ = [
    "SEGMENTS_AT_A_TIME",
    "Windows",
    "boundaries",
    "domain_segments",
    "phase_seconds",
    "stays",
    "step_windows",
    "window_segments",
]

SEGMENTS_AT_A_TIME: Final = 1 << 17  # they stay in the processor's cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Half-open intervals of time, in order, each made of segments ``first`` to ``stop - 1``.

    Attributes:
        label: (n,) what each is of: a step's number.
        start_ns: (n,) when each begins.
        end_ns: (n,) when each ends.
        first: (n,) the index of its first segment.
        stop: (n,) the index after its last segment.
    """

    label: Ints
    start_ns: Times
    end_ns: Times
    first: Ints
    stop: Ints

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.start_ns)

    def part(self, rows: slice) -> Windows:
        """Return some of them."""
        return Windows(
            label=self.label[rows],
            start_ns=self.start_ns[rows],
            end_ns=self.end_ns[rows],
            first=self.first[rows],
            stop=self.stop[rows],
        )


def window_segments(trace: Trace) -> Segments:
    """Return the segments that cover the measured window exactly: cut to it, filled with *unattributed*.

    Device times are cut to the window as well; the rows are the same for host and device.
    """
    open_ns, close_ns = trace.window_ns
    whole = trace.segments
    low = max(int(np.searchsorted(whole.start_ns, open_ns, side="right")) - 1, 0)
    rows = slice(low, max(int(np.searchsorted(whole.start_ns, close_ns, side="left")), low))
    device = (
        None if whole.device_start_ns is None else np.clip(whole.device_start_ns[rows], open_ns, close_ns)
    )
    inside = Segments(
        start_ns=_from(whole.start_ns[rows], open_ns),
        phase=whole.phase[rows],
        step=whole.step[rows],
        phases=whole.phases if UNATTRIBUTED in whole.phases else (*whole.phases, UNATTRIBUTED),
        end_ns=close_ns,
        device_start_ns=device,
    )
    if not len(inside.start_ns) or inside.start_ns[0] > open_ns:
        inside = _with_nowhere(inside, 0, open_ns)
    if open_ns < whole.end_ns < close_ns:
        inside = _with_nowhere(inside, len(inside.start_ns), whole.end_ns)
    return inside


def _from(start_ns: Times, open_ns: int) -> Times:
    """Return starts of which only the first may lie before the window, cut to it; not copied without need."""
    if len(start_ns) and start_ns[0] < open_ns:
        start_ns = start_ns.copy()
        start_ns[0] = open_ns
    return start_ns


def _with_nowhere(segments: Segments, at: int, start_ns: int) -> Segments:
    """Put in a segment that lies in no phase and no step."""
    device = segments.device_start_ns
    return replace(
        segments,
        start_ns=np.insert(segments.start_ns, at, start_ns),
        phase=np.insert(segments.phase, at, segments.phases.index(UNATTRIBUTED)),
        step=np.insert(segments.step, at, -1),
        device_start_ns=None if device is None else np.insert(device, at, start_ns),
    )


def domain_segments(segments: Segments, domain: str) -> Segments:
    """Return the segments as a domain passed them: a GPU runs behind the host where its times are known."""
    device = segments.device_start_ns
    if device is None or not domain.startswith("gpu"):
        return segments
    start = device.copy()
    start[0] = segments.start_ns[0]  # the whole window is accounted for
    return replace(segments, start_ns=start, device_start_ns=None)


def step_windows(segments: Segments) -> Windows:
    """Return one window a step: from its first segment's start to its last segment's end.

    Steps that follow one another share their boundaries in memory: a run of ten million is not copied twice.
    """
    new = np.ones(len(segments.step) + 1, bool)
    np.not_equal(segments.step[1:], segments.step[:-1], out=new[1:-1])
    edges = np.flatnonzero(new)
    times = np.empty(len(edges), np.int64)
    np.take(segments.start_ns, edges[:-1], out=times[:-1], mode="clip")
    times[-1] = segments.end_ns
    label = segments.step if len(edges) == len(new) else segments.step[edges[:-1]]
    rows = _where(label >= 0)
    return Windows(
        label=label[rows].astype(np.int64, copy=False),
        start_ns=times[:-1][rows],
        end_ns=times[1:][rows],
        first=edges[:-1][rows],
        stop=edges[1:][rows],
    )


def _where(wanted: Bools) -> slice | Ints:
    """Return the rows that are wanted; as a slice, which copies nothing, where they follow one another."""
    rows = np.flatnonzero(wanted)
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1:
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def boundaries(segments: Segments, first: int, stop: int) -> Times:
    """Return (stop - first + 1,) when segments ``first`` to ``stop - 1`` begin, and the last ends."""
    if stop < len(segments.start_ns):
        return segments.start_ns[first : stop + 1]
    return np.append(segments.start_ns[first:], segments.end_ns)


def stays(segments: Segments) -> Ints:
    """Return (p,) how many unbroken stays there were in each phase."""
    entered = np.concatenate([[True], segments.phase[1:] != segments.phase[:-1]])
    return np.bincount(segments.phase[entered], minlength=len(segments.phases)).astype(np.int64)


def phase_seconds(segments: Segments) -> Floats:
    """Return (p,) seconds spent in each phase."""
    total = np.zeros(len(segments.phases))
    for start in range(0, len(segments.phase), SEGMENTS_AT_A_TIME):
        phase = segments.phase[start : start + SEGMENTS_AT_A_TIME]
        ends = boundaries(segments, start, start + len(phase))
        total += sum_by(phase, seconds_between(ends[:-1], ends[1:]), len(total))
    return total
