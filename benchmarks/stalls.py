"""How much time a loop loses to sampling, on a machine whose noise is far greater than that.

A sampler wakes some ten times a second for less than a millisecond. Whatever a loop loses to it, it loses
around those moments, which are known: a witness clock notes them, or the rows that were read then tell. The
loop runs in units of some 50 us and notes when each began; the excess of the units around each wake-up over
the usual unit is what was lost. The same sum around moments 20 ms away from every wake-up is what the
machine's own noise makes of it: the difference counts, and noise elsewhere does not.
"""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from energyprof.clock import SystemClock, Wake

__all__ = ["Loss", "WitnessClock", "idle_thread", "loss", "unit_of_products", "unit_of_python", "unit_starts"]

WAKES_PER_S: Final = 11
BEFORE_NS: Final = 100_000
AFTER_NS: Final = 1_000_000  # caches are filled again, and the loop has its processor back
MARGIN_NS: Final = 20_000_000  # of a stretch: what lies nearer to its ends is left out
DRAWS: Final = 2_000


class WitnessClock(SystemClock):
    """The machine's clock, and when the thread that waits on it was awake.

    All it adds to a wake-up is one entry in a list: at a wake-up even a line of Python costs a microsecond.
    """

    def __init__(self) -> None:
        self._waits: list[tuple[int, int]] = []  # when each wait began, and when it was to end
        self._elsewhere: list[NDArray[np.int64]] = []  # when a process other than this one read

    def wait_until_ns(self, deadline_ns: int, wake: Wake) -> bool:  # type: ignore[override]
        """Wait, and note from when to when."""
        now_ns = time.perf_counter_ns()
        self._waits.append((now_ns, deadline_ns))
        return wake.acquire(timeout=max(deadline_ns - now_ns, 0) / 1e9)

    def awake_ns(self, begin_ns: int, end_ns: int) -> NDArray[np.int64]:
        """Return (n, 2) the spans inside a stretch of time in which somebody did not wait, by their begin."""
        waits = np.array(self._waits or [(0, 0)], np.int64)
        spans = np.column_stack([waits.max(axis=1)[:-1], waits[1:, 0]])
        read = np.unique(np.concatenate([np.empty(0, np.int64), *self._elsewhere]))
        spans = _united(np.concatenate([spans, np.column_stack([read - BEFORE_NS, read])]))
        return spans[(spans[:, 0] > begin_ns + MARGIN_NS) & (spans[:, 1] < end_ns - MARGIN_NS)]

    def saw_awake(self, read_ns: NDArray[np.int64]) -> None:
        """Take in when another process had read something."""
        self._elsewhere.append(read_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """The share of its time that a loop loses to the sampling thread.

    Attributes:
        share: lost around wake-ups, less what is lost elsewhere; ``low`` and ``high`` hold 95 % of draws.
        noise: lost elsewhere, in spans as long.
        wakes_per_s: how often the thread woke.
    """

    share: float
    low: float
    high: float
    noise: float
    wakes_per_s: float


@contextmanager
def idle_thread(clock: WitnessClock) -> Iterator[None]:
    """Run a thread that wakes as often as the sampler of a 100 ms sensor, and does nothing: the floor."""
    wake = threading.Lock()
    wake.acquire()

    def run() -> None:
        due_ns = clock.now_ns()
        while not clock.wait_until_ns(due_ns, wake):
            due_ns += 1_000_000_000 // WAKES_PER_S

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield
    wake.release()
    thread.join()


def unit_of_python() -> Callable[[], object]:
    """Return some 50 us of plain Python: the interpreter's lock is never let go but when asked for."""
    work = range(5_000)

    def unit() -> None:
        for _ in work:
            pass

    return unit


def unit_of_products(threads: int = 1) -> Callable[[], object]:
    """Return some 50 us of matrix products: the lock is let go in each, as training does.

    With as many threads as cores no processor is left to whoever samples.
    """
    import torch

    torch.set_num_threads(threads)
    size = round(128 * threads ** (1 / 3))
    a, b, out = torch.randn(size, size), torch.randn(size, size), torch.empty(size, size)

    def unit() -> None:
        torch.mm(a, b, out=out)

    return unit


def unit_starts(unit: Callable[[], object], seconds: float) -> NDArray[np.int64]:
    """Run a unit again and again; return when each began."""
    starts = array("q", bytes(8 * int(seconds / 5e-6)))
    now = time.perf_counter_ns
    end_ns, count = now() + int(seconds * 1e9), 0
    at_ns = now()
    while at_ns < end_ns:
        starts[count] = at_ns
        count += 1
        unit()
        at_ns = now()
    return np.array(starts[:count], np.int64)


def loss(starts: NDArray[np.int64], awake: NDArray[np.int64]) -> Loss:
    """Work out what a loop lost.

    Args:
        starts: (n,) when its units began.
        awake: (m, 2) when somebody else was awake, in order; m is 2 or more.

    Raises:
        ValueError: too little was seen to tell a loss from noise.
    """
    if len(awake) < 2:
        raise ValueError(f"{len(awake)} wake-ups were seen: time a longer loop")
    length = np.diff(starts).astype(np.float64)
    windows = awake + np.array([-BEFORE_NS, AFTER_NS])
    lost, elsewhere = _excess(starts, length, windows), _elsewhere(starts, length, windows)
    per_s = len(awake) / (starts[-1] - starts[0])
    draws = np.random.default_rng(0).integers(len(awake), size=(DRAWS, len(awake)))
    low, high = np.quantile((lost - elsewhere)[draws].mean(axis=1), [0.025, 0.975]) * per_s
    return Loss(
        share=float((lost - elsewhere).mean() * per_s),
        low=float(low),
        high=float(high),
        noise=float(elsewhere.mean() * per_s),
        wakes_per_s=float(per_s * 1e9),
    )


def _elsewhere(
    starts: NDArray[np.int64], length: NDArray[np.float64], windows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return (m,) the excess of a window as long, half-way to the next wake-up; the mean where none has room.

    Raises:
        ValueError: no two wake-ups leave room between them.
    """
    half = (windows[:-1, 1] - windows[:-1, 0]) // 2
    middle = (windows[:-1, 1] + windows[1:, 0]) // 2
    room = windows[1:, 0] - windows[:-1, 1] >= 2 * half
    if not room.any():
        raise ValueError(
            "there is a wake-up always: what is lost to it cannot be told from the loop's own pace"
        )
    found = _excess(starts, length, np.column_stack([middle - half, middle + half])[room])
    elsewhere = np.full(len(windows), found.mean())
    elsewhere[:-1][room] = found
    return elsewhere


def _united(spans: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return spans in order, those that touch as one: a loss is counted once."""
    if not len(spans):
        return spans
    spans = spans[np.argsort(spans[:, 0])]
    new = np.append(True, spans[1:, 0] > np.maximum.accumulate(spans[:, 1])[:-1] + BEFORE_NS + AFTER_NS)
    first = np.flatnonzero(new)
    return np.column_stack([spans[first, 0], np.maximum.reduceat(spans[:, 1], first)])


def _excess(
    starts: NDArray[np.int64], length: NDArray[np.float64], windows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return (m,) by how many ns the units in each window took longer than those around it usually do."""
    usual = float(np.median(length))
    first = np.searchsorted(starts, windows[:, 0], side="right") - 1
    stop = np.searchsorted(starts[:-1], windows[:, 1])
    excess = np.empty(len(windows))
    for k, (a, b) in enumerate(zip(first, stop, strict=True)):
        near = length[max(a - 200, 0) : b + 200]
        excess[k] = (length[a:b] - (np.median(near) if len(near) else usual)).sum()
    return excess
