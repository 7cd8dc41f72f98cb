"""One peer in a process of its own: ``python -m energyprof.testing.peer_child NAME COUNT FD``.

Writes ``R`` to the file descriptor once the peer measures, reads from standard input when each step begins
and ends on the real clock, lives through them, and writes what the peer says as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict

from energyprof.testing.peer_adapters import ADAPTERS

__all__ = ["Steps", "main"]

_SPIN_NS = 300_000


class Steps:
    """Steps with given boundaries; each is lived through by waiting, and its true times are kept."""

    def __init__(self, count: int, boundaries_ns: Callable[[], list[int]]) -> None:
        """Plan ``count`` steps between times of the monotonic clock that are not known before it begins."""
        self.count = count
        self.times_ns: list[tuple[int, int]] = []
        self.begun_ns = self.ended_ns = 0
        self._ask = boundaries_ns
        self._boundaries_ns: list[int] = []

    def begin(self) -> None:
        """Note the time, ask for the boundaries, and wait for the first step."""
        self.begun_ns = time.perf_counter_ns()
        self._boundaries_ns = self._ask()
        wait_until(self._boundaries_ns[0])

    def end(self) -> None:
        """Note the time."""
        self.ended_ns = time.perf_counter_ns()

    def step(self, k: int) -> None:
        """Live through step ``k``: return once it is over."""
        begun_ns = time.perf_counter_ns()
        wait_until(self._boundaries_ns[k + 1])
        self.times_ns.append((begun_ns, time.perf_counter_ns()))


def wait_until(time_ns: int) -> None:
    """Sleep until shortly before a time, then look at the clock until it has come."""
    rest_ns = time_ns - time.perf_counter_ns() - _SPIN_NS
    if rest_ns > 0:
        time.sleep(rest_ns / 1e9)
    while time.perf_counter_ns() < time_ns:
        pass


def main(name: str, count: int, descriptor: int) -> None:
    """Run one peer through ``count`` steps and write what it says."""

    def boundaries_ns() -> list[int]:
        os.write(descriptor, b"R")
        given: list[int] = json.loads(sys.stdin.readline())
        return given

    answer: dict[str, object] = {}
    steps = Steps(count, boundaries_ns)
    try:
        answer = asdict(ADAPTERS[name]()(steps))
        answer["times_ns"] = steps.times_ns
        answer["window_ns"] = (steps.begun_ns, steps.ended_ns)
    except ModuleNotFoundError as error:
        answer = {"missing": str(error)}
    except Exception as error:  # whatever a peer throws is its result
        answer = {"failed": f"{type(error).__name__}: {error}"}
    os.write(descriptor, json.dumps(answer).encode())
    os.close(descriptor)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
