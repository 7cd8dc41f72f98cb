"""Following refresh edges once their period is known: a poll shortly before each and one shortly after.

The margins adapt to what is seen: they shrink while edges fall between the two polls, and double where an
edge came before the first of them, whether the card's refreshes jitter or the polling thread wakes late.
Where the sensor's own stamps tell edges reliably, the poll after each is enough; every tenth edge still
gets both, so that the stamps go on being checked.
"""

from __future__ import annotations

import math
from typing import Final

from energyprof.recording.edge_line import EdgeLine

__all__ = ["EdgeFollower", "bracket"]

_MS: Final = 1_000_000
_MARGIN_FLOOR_NS: Final = 500_000.0
_SOON_NS: Final = 250_000  # two polls are never closer than this
_EAGER_EDGES: Final = 12  # after learning margins shrink quickly ...
_EAGER_SHRINK: Final = 0.7
_SETTLED_SHRINK: Final = (
    0.99  # ... and then slowly: with doubling, some 1.5 % of edges are missed where they jitter
)
_MISSES_UNTIL_DOUBT: Final = 2  # in a row
_MISSES_UNTIL_LOST: Final = 4
_LATE_UNTIL_DOUBT: Final = 4
_FOLLOW_AT_LEAST_NS: Final = 55 * _MS  # a faster sensor: every m-th edge, at most about 40 calls a second
_FOLLOW_SINGLY_NS: Final = 35 * _MS  # where one poll an edge is enough
_LATE_POLLS: Final = 7  # how often a late edge is looked for; less often after cycles without one
_CHECK_EVERY: Final = 10  # edges told by stamps
_AMBIGUOUS: Final = 0.3  # a bracket wider than this share of the period could hold any of several edges


class EdgeFollower:
    """Chooses polls around predicted edges; all times are nanoseconds of one monotonic clock."""

    __slots__ = (
        "_followed",
        "_late_polls",
        "_margin_after_ns",
        "_margin_before_ns",
        "_misses",
        "_quiet_cycles",
        "_single",
        "_stride",
        "_target",
        "_told",
        "line",
    )

    def __init__(self, line: EdgeLine, margin_ns: float) -> None:
        """Follow the edges of a line, looking ``margin_ns`` around them at first."""
        self.line = line
        self._margin_before_ns = self._margin_after_ns = max(margin_ns, _MARGIN_FLOOR_NS)
        self._followed = self._misses = self._quiet_cycles = self._late_polls = 0
        self._stride, self._target = 1, line.number
        self._single = False  # whether the poll before the edge is left out
        self._told = False  # whether the sensor itself told the last edge

    @property
    def lost(self) -> bool:
        """Tell whether edges have come unexpectedly several times in a row."""
        return self._misses >= _MISSES_UNTIL_LOST

    def plan(self, due_ns: int, until_ns: int) -> list[tuple[int, bool | None]]:
        """Return the polls to come as long as nothing unexpected is seen; none while that is likely.

        Args:
            due_ns: when the next poll is due.
            until_ns: how far to plan.

        Returns:
            For each poll when it is due, and whether the value will have moved by then (None: either way).
        """
        odd = self._misses or self._quiet_cycles or self._late_polls
        settled = self._followed > _EAGER_EDGES and not odd
        narrow = self._margin_before_ns + self._margin_after_ns <= 2 * _MS
        polls: list[tuple[int, bool | None]] = []
        target, single, followed, stride = self._target, self._single, self._followed, self._stride
        while settled and (single or narrow) and due_ns <= until_ns:
            predicted_ns = self.line.predict(target)
            if due_ns < predicted_ns:
                polls.append((due_ns, None if stride > 1 else False))
                due_ns = int(predicted_ns + self._margin_after_ns)
            polls.append((due_ns, True))
            followed += 1
            single = self._told and followed % _CHECK_EVERY != 0
            stride = self._stride_of(single=single)
            target += stride
            first_ns = self._margin_after_ns if single else -self._margin_of(target)
            due_ns = int(self.line.predict(target) + first_ns)
        return polls

    def _stride_of(self, *, single: bool) -> int:
        apart_ns = _FOLLOW_SINGLY_NS if single else _FOLLOW_AT_LEAST_NS
        return max(1, math.ceil(apart_ns / self.line.period_ns))

    def aim(self, now_ns: int) -> int:
        """Aim at the next edge whose first poll is still to come, and return when that poll is due."""
        period_ns = self.line.period_ns
        self._stride = self._stride_of(single=self._single)
        last = max(self.line.number, self._target) if self._quiet_cycles else self.line.number
        target = last + self._stride
        margin_ns = self._margin_of(target)
        behind_ns = now_ns + margin_ns - self.line.predict(target)
        if behind_ns > 0:
            target += int(behind_ns // period_ns) + 1
        self._target, self._late_polls = target, 0
        first_ns = self._margin_after_ns if self._single else -margin_ns
        return max(now_ns + _SOON_NS, int(self.line.predict(target) + first_ns))

    def polled(
        self, since_ns: int, after_ns: int, *, moved: bool, edge_ns: float | None, spare_calls: bool
    ) -> int:
        """Take in a poll and return when the next one is due.

        Args:
            since_ns: just before the poll before this one.
            after_ns: just after this one.
            moved: whether the value differs from that of the poll before.
            edge_ns: when the value changed, where the sensor itself tells.
            spare_calls: whether more than two polls may be spent on this edge.
        """
        predicted_ns = self.line.predict(self._target)
        early = since_ns < predicted_ns - 0.5 * self.line.period_ns  # no poll stood shortly before the edge
        passing = (
            early and self._stride > 1 and after_ns < predicted_ns
        )  # moved by edges that are not followed
        if not moved or passing:
            return self._wait_on(predicted_ns, after_ns, spare_calls=spare_calls)
        if edge_ns is not None:
            off_ns = math.remainder(edge_ns - predicted_ns, self.line.period_ns)  # a later edge after a stall
            self._adapt(missed=abs(off_ns) > self._margin_before_ns)
            self._note_edge(*bracket(since_ns, after_ns, edge_ns))
        elif early:
            self._note_miss(predicted_ns, after_ns)
        else:
            self._note_edge(*bracket(since_ns, after_ns, None))
            self._adapt(
                missed=self.line.number > self._target
            )  # the edge aimed at came before the first poll
        self._quiet_cycles = 0
        self._told = edge_ns is not None
        self._single = self._told and self._followed % _CHECK_EVERY != 0
        return self.aim(after_ns)

    def _wait_on(self, predicted_ns: float, after_ns: int, *, spare_calls: bool) -> int:
        """Choose the next poll of a cycle whose edge has not shown yet."""
        width_ns = self._margin_before_ns + self._margin_after_ns
        last_call_ns = predicted_ns + self._margin_after_ns
        if after_ns <= last_call_ns:
            if spare_calls and width_ns > 2 * _MS:
                return after_ns + int(max(width_ns / 4, _MARGIN_FLOOR_NS))
            return max(after_ns + _SOON_NS, int(last_call_ns))
        self._late_polls += 1
        if self._late_polls > max(0, _LATE_POLLS - 3 * self._quiet_cycles):
            return self._pass_over(after_ns)
        step_ns = max(width_ns / 2, _MS) * 1.6**self._late_polls
        return after_ns + int(min(step_ns, self.line.period_ns / 8))

    def _pass_over(self, now_ns: int) -> int:
        """Give up on an edge: the value held (steady load, a refresh left out), or it came unseen."""
        self._quiet_cycles += 1
        self._told = self._single = False
        if self._stride > 1:  # edges in between move the value too, so that an early one does not show
            self._adapt(missed=True)
        return self.aim(now_ns)

    def _note_miss(self, predicted_ns: float, after_ns: int) -> None:
        """Take in an edge that came before the first poll around its prediction."""
        margin_ns = self._margin_before_ns
        self._adapt(missed=True)
        if after_ns < predicted_ns + self.line.period_ns / 4:  # else the poll was late, and tells nothing
            self._note_edge(min(after_ns, predicted_ns) - margin_ns, 2 * margin_ns)

    def _note_edge(self, time_ns: float, half_ns: float) -> None:
        period_ns = self.line.period_ns
        if half_ns <= _AMBIGUOUS * period_ns:
            steps = max(1, round((time_ns - self.line.time_ns) / period_ns))
            self.line.add(self.line.number + steps, time_ns, half_ns)

    def _margin_of(self, number: int) -> float:
        """Return the margin before an edge: the adaptive one, or twice what the line does not tell."""
        wanted_ns = max(self._margin_before_ns, 2 * self.line.deviation_ns(number))
        return min(wanted_ns, self.line.period_ns / 4)

    def _adapt(self, *, missed: bool) -> None:
        self._followed += 1
        widest_ns = self.line.period_ns / 4
        if missed:
            self._misses += 1
            self._margin_before_ns = min(2 * self._margin_before_ns, widest_ns)
            if self._misses == _MISSES_UNTIL_DOUBT:
                self._doubt()
            return
        self._misses = 0
        if self._late_polls >= _LATE_UNTIL_DOUBT:
            self._doubt()
        shrink = _EAGER_SHRINK if self._followed <= _EAGER_EDGES else _SETTLED_SHRINK
        self._margin_before_ns = max(shrink * self._margin_before_ns, _MARGIN_FLOOR_NS)
        if self._late_polls:
            self._margin_after_ns = min(1.5 * self._margin_after_ns, widest_ns)
        else:
            self._margin_after_ns = max(shrink * self._margin_after_ns, _MARGIN_FLOOR_NS)

    def _doubt(self) -> None:
        """Take it that the phase has jumped: old edges count for little, margins shrink quickly again."""
        self.line.fade()
        self._followed = 0


def bracket(since_ns: int, after_ns: int, edge_ns: float | None) -> tuple[float, float]:
    """Return the likeliest time of an edge and half the width of what is known of it."""
    if edge_ns is not None:
        return edge_ns, 100_000.0
    return (since_ns + after_ns) / 2, (after_ns - since_ns) / 2
