"""Windows of time: segments cut to the measured window, the steps they form, the occurrences of phases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energyprof.analysis.arrays import Bools, Floats, Ints, Times, seconds, sum_by
from energyprof.record.trace import UNATTRIBUTED, Segments, Trace

__all__ = [
    "Windows",
    "domain_segments",
    "phase_seconds",
    "stays",
    "step_windows",
    "window_segments",
]


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
    """Return one window a step: from its first segment's start to its last segment's end."""
    return _runs(segments, segments.step, segments.step >= 0)


def stays(segments: Segments) -> Ints:
    """Return (p,) how many unbroken stays there were in each phase."""
    entered = np.concatenate([[True], segments.phase[1:] != segments.phase[:-1]])
    return np.bincount(segments.phase[entered], minlength=len(segments.phases)).astype(np.int64)


def phase_seconds(segments: Segments) -> Floats:
    """Return (p,) seconds spent in each phase."""
    lengths = np.diff(segments.start_ns, append=segments.end_ns)
    return sum_by(segments.phase, seconds(lengths), len(segments.phases))


def _runs(segments: Segments, label: NDArray[np.integer[Any]], keep: Bools) -> Windows:
    first = np.flatnonzero(np.concatenate([[True], label[1:] != label[:-1]]))
    stop = np.append(first[1:], len(label))
    kept = keep[first]
    first, stop = first[kept], stop[kept]
    end_ns = segments.start_ns[np.minimum(stop, len(label) - 1)]
    if len(stop) and stop[-1] == len(label):
        end_ns[-1] = segments.end_ns
    return Windows(
        label=label[first].astype(np.int64, copy=False),
        start_ns=segments.start_ns[first],
        end_ns=end_ns,
        first=first,
        stop=stop,
    )
