"""Other tools around a loop that is timed: the adapters of ``energyprof doctor --against``, for their cost.

Each is used as its documentation says: Zeus with a window a step, CodeCarbon with a task a step,
carbontracker with the loop as an epoch, perun with the loop as an application. What they do before and after
the loop (imports, constructors, a last report) is not counted.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from unittest.mock import patch

from energyprof.testing.peer_adapters import ADAPTERS
from energyprof.testing.peers import installed, make_home

__all__ = ["bare_loop_s", "peer_loop_s", "peers"]

OURS = "energyprof"


class TimedWork:
    """Steps of some work, and how long all of them took."""

    def __init__(self, work: Callable[[], object], count: int) -> None:
        self.count, self._work = count, work
        self._began_s = self.seconds = 0.0

    def begin(self) -> None:
        self._began_s = time.perf_counter()

    def step(self, k: int) -> None:
        self._work()

    def end(self) -> None:
        self.seconds = time.perf_counter() - self._began_s


def peers() -> list[str]:
    """Return the tools that are installed, this package left out."""
    return [name for name in installed() if name != OURS]


def bare_loop_s(work: Callable[[], object], count: int) -> float:
    """Return the seconds of a loop with nothing around it."""
    timed = TimedWork(work, count)
    timed.begin()
    for k in range(count):
        timed.step(k)
    timed.end()
    return timed.seconds


def peer_loop_s(name: str, work: Callable[[], object], count: int) -> float:
    """Return the seconds of the same loop inside a tool, whose files and words are thrown away."""
    timed = TimedWork(work, count)
    with somewhere(), silence():
        ADAPTERS[name]()(timed)
    return timed.seconds


@contextmanager
def silence() -> Iterator[None]:
    """Send what is written to the terminal nowhere, whoever writes it."""
    kept = [os.dup(stream) for stream in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        yield
    finally:
        for stream, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, stream)
            os.close(copy)
        os.close(nowhere)


@contextmanager
def somewhere() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        make_home(home)  # with an nvidia-smi, without which CodeCarbon reads no GPU
        path = f"{os.environ['PATH']}:{home}"
        with chdir(home), patch.dict(os.environ, {"HOME": str(home), "PATH": path}):
            yield
