"""The one clock: monotonic nanoseconds, with a wall-clock anchor.

Everything that keeps time takes a :class:`Clock`, so that tests and the scenario suite run in virtual time.
"""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """What recording needs of time."""

    def now_ns(self) -> int:
        """Return monotonic nanoseconds from an arbitrary origin."""
        ...

    def wall_ns(self) -> int:
        """Return nanoseconds since the Unix epoch."""
        ...

    def sleep_until_ns(self, deadline_ns: int) -> None:
        """Return once :meth:`now_ns` has reached ``deadline_ns`` (at once where it has passed)."""
        ...


class SystemClock:
    """The machine's own clocks: ``perf_counter_ns`` and ``time_ns``."""

    now_ns = staticmethod(time.perf_counter_ns)
    wall_ns = staticmethod(time.time_ns)

    @staticmethod
    def sleep_until_ns(deadline_ns: int) -> None:
        """Sleep until the monotonic clock reaches ``deadline_ns``."""
        remaining_ns = deadline_ns - time.perf_counter_ns()
        if remaining_ns > 0:
            time.sleep(remaining_ns / 1e9)
