"""A loop with the full profiler around it and without, in turns inside one process.

To start a profiler for each of many short pairs takes longer than the pairs, and they would lie too far
apart on a machine whose speed wanders. So one profiler is started, and its thread and its process are held
still while the loop runs bare. Each round times the loop with marks and sampling between two bare ones, and
the two bare ones tell the noise. A process that was held still has readings to catch up with, so that what
is found is, if anything, too much.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import psutil

import energyprof
from energyprof.clock import SystemClock, Wake

__all__ = ["Slowdown", "switched_rounds"]

SETTLE_S = 3.0  # refreshes are learned by dense polling first, which is no part of a loop's usual cost
FALLING_ASLEEP_S = 0.15  # longer than the thread sleeps between two readings
DRAWS = 2_000


class SwitchedClock(SystemClock):
    """The machine's clock; the thread that waits on it goes on waiting while it is held, with its process."""

    def __init__(self) -> None:
        self._gate = threading.Lock()
        self._held = False
        self._processes: list[psutil.Process] = []

    def takes_along(self, processes: list[psutil.Process]) -> None:
        """Hold these processes still, too."""
        self._processes = processes

    def wait_until_ns(self, deadline_ns: int, wake: Wake) -> bool:  # type: ignore[override]
        """Wait, and on until nobody holds the thread."""
        released = SystemClock.wait_until_ns(deadline_ns, wake)
        if self._held:
            with self._gate:
                pass
        return released

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let thread and processes sleep as long as this lasts."""
        with self._gate:
            self._held = True
            for process in self._processes:
                process.suspend()
            try:
                yield
            finally:
                for process in self._processes:
                    process.resume()
                self._held = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowdown:
    """By how much longer a loop takes, as a share: the median of its rounds, and a 95 % interval."""

    share: float
    low: float
    high: float


def switched_rounds(work: Callable[[], object], count: int, rounds: int) -> tuple[Slowdown, Slowdown]:
    """Time a loop of ``count`` pieces of work under the full profiler and bare.

    Returns:
        What the profiler costs, and what the same comparison of two bare loops shows.
    """
    steps: list[None] = [None] * count
    few = steps[: max(1, int(FALLING_ASLEEP_S / seconds_of(steps, work) * count))]
    clock, ours, control = SwitchedClock(), [], []
    before = set(psutil.Process().children())

    def bare_s() -> float:
        with clock.held():
            seconds_of(few, work)
            return seconds_of(steps, work)

    with (
        tempfile.TemporaryDirectory() as out,
        energyprof.Profiler("overhead", out=out, html=False, clock=clock, sampling="process") as prof,
    ):
        clock.takes_along([child for child in psutil.Process().children() if child not in before])
        time.sleep(SETTLE_S)
        for _ in range(rounds):
            first_s = bare_s()
            profiled_s = seconds_of(prof.steps(steps, samples=1), work)
            last_s = bare_s()
            ours.append(2 * profiled_s / (first_s + last_s) - 1)
            control.append(last_s / first_s - 1)
    return slowdown(ours), slowdown(control)


def seconds_of(steps: Iterable[None], work: Callable[[], object]) -> float:
    before = time.perf_counter()
    for _ in steps:
        work()
    return time.perf_counter() - before


def slowdown(shares: list[float]) -> Slowdown:
    draws = np.random.default_rng(0).choice(shares, size=(DRAWS, len(shares)))
    low, high = np.quantile(np.median(draws, axis=1), [0.025, 0.975])
    return Slowdown(share=float(np.median(shares)), low=float(low), high=float(high))
