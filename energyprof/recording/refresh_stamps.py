"""What a sensor's own time stamps are worth: the time of a refresh, or merely the time of the call.

NVML stamps its field values with the wall clock. Where the stamp is that of the refresh it tells refreshes of
a steady load, which leave the value as it is, and pins down an edge between two polls that were far apart.
Where it is the time of the call it tells nothing. Which of the two it is, is learned; until then it is not
used.
"""

from __future__ import annotations

from typing import Final

__all__ = ["RefreshStamps"]

_IN_CALL_NS: Final = (
    50_000  # clock conversion included: a stamp this close to the call's begin is of the call
)
_ENOUGH: Final = 5
_NARROW_NS: Final = 4_000_000  # brackets narrow enough to check a stamp against
_SLACK_NS: Final = 1_000_000  # how far from the stamp the refresh may lie


class RefreshStamps:
    """Learns whether the stamps of one channel are refresh times. All times but stamps are monotonic ns."""

    __slots__ = ("_confirmed", "_in_call", "_past", "_refuted", "_shortest_ns", "_stamp_ns")

    def __init__(self, nominal_ns: int) -> None:
        """Expect a refresh every ``nominal_ns``."""
        self._shortest_ns = nominal_ns // 3
        self._stamp_ns: int | None = None
        self._in_call = self._past = self._confirmed = 0
        self._refuted = False

    @property
    def trusted(self) -> bool:
        """Tell whether a new stamp means a new refresh."""
        return not self._refuted and self._past >= _ENOUGH and self._past > 10 * self._in_call

    def tells(self, stamp_ns: int | None, before_ns: int, wall_offset_ns: int) -> bool:
        """Take in the stamp of a reading; return True if it alone proves a refresh since the one before.

        Args:
            stamp_ns: the sensor's stamp (Unix epoch), or None where it gives none.
            before_ns: when the call began.
            wall_offset_ns: wall clock minus monotonic clock.
        """
        if stamp_ns is None or self._refuted:
            return False
        old_ns, self._stamp_ns = self._stamp_ns, stamp_ns
        if stamp_ns - wall_offset_ns > before_ns - _IN_CALL_NS:
            self._in_call += 1
        else:
            self._past += 1
        if old_ns is None or stamp_ns == old_ns:
            return False
        if stamp_ns - old_ns < self._shortest_ns:  # stamps move faster than values can
            self._refuted = True
        return self.trusted

    def edge_ns(self, since_ns: int, after_ns: int, wall_offset_ns: int) -> float | None:
        """Return when the value of the last reading was taken, if its stamp can be relied on.

        Args:
            since_ns: just before the last poll that showed the older value.
            after_ns: just after the first poll that showed this one.
            wall_offset_ns: wall clock minus monotonic clock.
        """
        if self._stamp_ns is None or not self.trusted:
            return None
        edge_ns = self._stamp_ns - wall_offset_ns
        inside = since_ns - _SLACK_NS <= edge_ns <= after_ns + _SLACK_NS
        if not inside:
            self._refuted = True
            return None
        if after_ns - since_ns <= _NARROW_NS:
            self._confirmed += 1
        return edge_ns if self._confirmed >= _ENOUGH else None

    def narrow(self, since_ns: int, after_ns: int, edge_ns: float | None) -> tuple[int, int]:
        """Return the bracket of an edge, cut down to a millisecond around a stamp that can be relied on."""
        if edge_ns is None or after_ns - since_ns <= _NARROW_NS:
            return since_ns, after_ns
        return max(since_ns, int(edge_ns) - _SLACK_NS), min(after_ns, int(edge_ns) + _SLACK_NS)
