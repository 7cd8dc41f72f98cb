"""One peer in a process of its own: ``python -m energyprof.testing.peer_child NAME STEPS ORIGIN PERIOD FD``.

Lives through steps on the real clock, which begin where the device's power repeats, and writes what the peer
says to the file descriptor as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict

from energyprof.testing.peer_adapters import ADAPTERS

__all__ = ["Steps", "main", "wait_until"]

_SPIN_NS = 300_000
_LEAD_NS = 20_000_000


class Steps:
    """Steps of one length on a grid of times, lived through by waiting; their true times are kept."""

    def __init__(self, count: int, origin_ns: int, period_ns: int) -> None:
        """Plan ``count`` steps of ``period_ns``, a whole number of them after ``origin_ns``."""
        self.count = count
        self.times_ns: list[tuple[int, int]] = []
        self.begun_ns = self.ended_ns = 0
        self._origin_ns, self._period_ns = origin_ns, period_ns
        self._first_ns = 0

    def begin(self) -> None:
        """Note the time, and wait for the first step."""
        self.begun_ns = time.perf_counter_ns()
        passed = -(-(self.begun_ns + _LEAD_NS - self._origin_ns) // self._period_ns)
        self._first_ns = self._origin_ns + passed * self._period_ns
        wait_until(self._first_ns)

    def step(self, k: int) -> None:
        """Live through step ``k``: return once it is over."""
        begun_ns = time.perf_counter_ns()
        wait_until(self._first_ns + (k + 1) * self._period_ns)
        self.times_ns.append((begun_ns, time.perf_counter_ns()))

    def end(self) -> None:
        """Note the time."""
        self.ended_ns = time.perf_counter_ns()


def wait_until(time_ns: int) -> None:
    """Sleep until shortly before a time, then look at the clock until it has come."""
    rest_ns = time_ns - time.perf_counter_ns() - _SPIN_NS
    if rest_ns > 0:
        time.sleep(rest_ns / 1e9)
    while time.perf_counter_ns() < time_ns:
        pass


def main(name: str, steps: Steps, descriptor: int) -> None:
    """Run one peer through the steps and write what it says."""
    try:
        answer = asdict(ADAPTERS[name]()(steps))
        answer |= {"times_ns": steps.times_ns, "window_ns": (steps.begun_ns, steps.ended_ns)}
    except Exception as error:  # whatever a peer throws is its result
        answer = {"failed": f"{type(error).__name__}: {error}"}
    os.write(descriptor, json.dumps(answer).encode())
    os.close(descriptor)


if __name__ == "__main__":
    main(sys.argv[1], Steps(*map(int, sys.argv[2:5])), int(sys.argv[5]))
