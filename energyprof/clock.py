"""The one clock: monotonic nanoseconds, with a wall-clock anchor.

Everything that keeps time takes a :class:`Clock`, so that tests and the scenario suite run in virtual time.
"""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "SystemClock", "Wake"]


class Wake(Protocol):
    """What a thread waits on: a ``threading.Lock``."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock."""
        ...


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

    def wait_until_ns(self, deadline_ns: int, wake: Wake) -> bool:
        """Do the same, or return as soon as another thread releases ``wake``.

        Args:
            deadline_ns: when to return.
            wake: a lock that is held; it is taken again where it was released.

        Returns:
            Whether it was released.
        """
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

    @staticmethod
    def wait_until_ns(deadline_ns: int, wake: Wake) -> bool:
        """Sleep until the monotonic clock reaches ``deadline_ns``, or ``wake`` is released."""
        remaining_ns = deadline_ns - time.perf_counter_ns()
        return wake.acquire(timeout=remaining_ns / 1e9) if remaining_ns > 0 else wake.acquire(blocking=False)
