"""A clock that moves only when told: a minute of training takes milliseconds."""

from __future__ import annotations

from typing import Final

from energyprof.clock import Wake
from energyprof.errors import UsageError

__all__ = ["WALL_EPOCH_NS", "VirtualClock"]

#: 2025-01-01T00:00:00Z, the wall time of virtual time 0.
WALL_EPOCH_NS: Final = 1_735_689_600 * 10**9


class VirtualClock:
    """An :class:`energyprof.clock.Clock` in virtual time; sleeping moves it on.

    Bound to the cell of a stand-in's shared block, both see the same time (and the stand-in's slow calls take
    some of it).
    """

    def __init__(
        self, start_ns: int = 0, *, wall_offset_ns: int = WALL_EPOCH_NS, cell: memoryview | None = None
    ) -> None:
        """Start at a time; ``cell`` is a writable view of one int64 that is to hold it."""
        self._cell = memoryview(bytearray(8)).cast("q") if cell is None else cell
        self._cell[0] = start_ns
        self._wall_offset_ns = wall_offset_ns

    def now_ns(self) -> int:
        """Return the present virtual time."""
        return int(self._cell[0])

    def wall_ns(self) -> int:
        """Return nanoseconds since the Unix epoch."""
        return int(self._cell[0]) + self._wall_offset_ns

    def sleep_until_ns(self, deadline_ns: int) -> None:
        """Move on to a time, if it is not past."""
        self._cell[0] = max(self._cell[0], deadline_ns)

    def wait_until_ns(self, deadline_ns: int, wake: Wake) -> bool:
        """Move on to a time, unless ``wake`` has been released."""
        if wake.acquire(blocking=False):
            return True
        self.sleep_until_ns(deadline_ns)
        return False

    def advance_ns(self, duration_ns: int) -> None:
        """Move on by a duration.

        Raises:
            UsageError: if it is negative: this clock is monotonic too.
        """
        if duration_ns < 0:
            raise UsageError(f"a clock cannot go back by {-duration_ns} ns: advance by 0 or more")
        self._cell[0] += duration_ns
