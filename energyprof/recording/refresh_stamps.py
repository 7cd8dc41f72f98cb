"""What a sensor's own time stamps are worth: the time of a refresh, or merely the time of the call.

NVML stamps its field values with the wall clock. Where the stamp is that of the refresh it tells refreshes of
a steady load, which leave the value as it is, and pins down an edge between two polls that were far apart.
Where it is the time of the call it tells nothing. Which of the two it is, is learned; until then it is not
used.
"""

from __future__ import annotations

from typing import Final

__all__ = ["RefreshStamps", "StampTrust", "narrow"]

_IN_CALL_NS: Final = (
    50_000  # clock conversion included: a stamp this close to the call's begin is of the call
)
_SLOW_CALL_NS: Final = 5_000_000
_ENOUGH: Final = 5
_CHECK_SHARE: Final = 4  # brackets up to a quarter of a refresh are worth checking against ...
_CONFIRMATIONS: Final = 24  # ... and a stamp that is no refresh time does not lie in that many of them
_SLACK_NS: Final = 1_000_000  # how far from the stamp the refresh may lie


class StampTrust:
    """Learns whether the stamps of one sensor are refresh times; shared by its channels.

    Attributes:
        refuted: whether a stamp was seen that cannot be a refresh time.
        tell_refreshes: whether a new stamp means a new refresh.
        tell_times: whether a stamp is the time of the refresh, as edges between close polls have confirmed.
    """

    __slots__ = ("_confirmed", "_in_call", "_past", "refuted", "tell_refreshes", "tell_times")

    def __init__(self) -> None:
        """Start without an opinion."""
        self._in_call = self._past = self._confirmed = 0
        self.refuted = self.tell_refreshes = self.tell_times = False

    def note_age(self, stamp_ns: int, before_ns: int, after_ns: int) -> None:
        """Take in a stamp, on the monotonic clock, and when its call began and ended."""
        if stamp_ns <= before_ns - _IN_CALL_NS:
            self._past += 1
        elif after_ns - before_ns < _SLOW_CALL_NS:  # else a refresh may well have come during the call
            self._in_call += 1
        self._decide()

    def confirm(self) -> None:
        """Take in that a stamp lay between two close polls, where the value changed."""
        self._confirmed += 1
        self._decide()

    def refute(self) -> None:
        """Take in a stamp that cannot be a refresh time: stamps are not used any more."""
        self.refuted = True
        self._decide()

    def _decide(self) -> None:
        past = self._past
        self.tell_refreshes = not self.refuted and past >= _ENOUGH and past > 10 * self._in_call
        self.tell_times = self.tell_refreshes and self._confirmed >= _CONFIRMATIONS


class RefreshStamps:
    """The stamps of one channel. All times but stamps themselves are monotonic nanoseconds."""

    __slots__ = ("_check_ns", "_shortest_ns", "_stamp_ns", "_trust")

    def __init__(self, nominal_ns: int, trust: StampTrust) -> None:
        """Expect a refresh every ``nominal_ns``."""
        self._shortest_ns = nominal_ns // 3
        self._check_ns = nominal_ns // _CHECK_SHARE
        self._trust = trust
        self._stamp_ns: int | None = None

    def tells(self, stamp_ns: int | None, before_ns: int, after_ns: int, wall_offset_ns: int) -> bool:
        """Take in the stamp of a reading; return True if it alone proves a refresh since the one before.

        Args:
            stamp_ns: the sensor's stamp (Unix epoch), or None where it gives none.
            before_ns: when the call began.
            after_ns: when it returned.
            wall_offset_ns: wall clock minus monotonic clock.
        """
        old_ns, self._stamp_ns = self._stamp_ns, stamp_ns
        if stamp_ns is None or self._trust.refuted:
            return False
        self._trust.note_age(stamp_ns - wall_offset_ns, before_ns, after_ns)
        if old_ns is None or stamp_ns == old_ns:
            return False
        if stamp_ns - old_ns < self._shortest_ns:  # stamps move faster than values can
            self._trust.refute()
        return self._trust.tell_refreshes

    def edge_ns(self, since_ns: int, after_ns: int, wall_offset_ns: int) -> float | None:
        """Return when the value of the last reading was taken, if its stamp can be relied on.

        Args:
            since_ns: just before the last poll that showed the older value.
            after_ns: just after the first poll that showed this one.
            wall_offset_ns: wall clock minus monotonic clock.
        """
        if self._stamp_ns is None or not self._trust.tell_refreshes:
            return None
        edge_ns = self._stamp_ns - wall_offset_ns
        if not since_ns - _SLACK_NS <= edge_ns <= after_ns + _SLACK_NS:
            self._trust.refute()
            return None
        if after_ns - since_ns <= self._check_ns:
            self._trust.confirm()
        return edge_ns if self._trust.tell_times else None


def narrow(since_ns: int, after_ns: int, edge_ns: float | None) -> tuple[int, int]:
    """Return the bracket of an edge, cut down to a millisecond around a stamp that can be relied on."""
    if edge_ns is None:
        return since_ns, after_ns
    return max(since_ns, int(edge_ns) - _SLACK_NS), min(after_ns, int(edge_ns) + _SLACK_NS)
