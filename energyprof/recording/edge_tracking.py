"""Polling that is phase-locked to a sensor's refresh: learn period and phase, then look just around edges.

A sensor whose value moves every 100 ms is worth reading twice a refresh: shortly before the next edge, to
know that the older value still stood, and shortly after it. Period and phase are learned by dense polling and
kept by a line through the last edges (:mod:`.edge_line`); see :mod:`.edge_following` for what happens then.
"""

from __future__ import annotations

from enum import Enum
from itertools import pairwise
from typing import Final

from energyprof.recording.edge_following import EdgeFollower, bracket
from energyprof.recording.edge_line import EdgeLine

__all__ = ["EdgeSchedule", "Mode"]

_MS: Final = 1_000_000
_LEARN_EDGES: Final = 4  # three periods: enough for a first line
_LEARN_PATIENCE_NS: Final = 1_000 * _MS  # or six refreshes; three times that once an edge was seen
_AGAIN_NS: Final = 3_000 * _MS  # from one attempt to learn to the next, doubled each time ...
_AGAIN_LONGEST_NS: Final = 60_000 * _MS  # ... until one has lasted this long
_CALLS_PER_SECOND: Final = 24.0  # two calls an edge are less: what is left goes into narrower brackets
_TOKENS: Final = 10.0  # how many calls may be saved up
_TOKENS_TO_REFINE: Final = 40.0  # after learning
_SPARE: Final = 4.0


class Mode(Enum):
    """What the schedule is doing."""

    LEARN = "learn"  # polling densely, to find period and phase
    LOCKED = "locked"  # polling around predicted edges
    REST = "rest"  # nothing moves: polling evenly until something does


class EdgeSchedule:
    """Decides when to poll one sensor next; all times are nanoseconds of one monotonic clock."""

    def __init__(self, nominal_ns: int, now_ns: int) -> None:
        """Start learning at ``now_ns`` a sensor whose value is said to move every ``nominal_ns``."""
        self._nominal_ns = max(nominal_ns, _MS)
        self._learned: list[tuple[float, float]] = []  # (time, half-width) of the edges while learning
        self._learn_started_ns, self._again_ns = now_ns, _AGAIN_NS
        self._follower: EdgeFollower | None = None
        self._tokens, self._tokens_at_ns = _TOKENS, now_ns
        self._polled_ns = now_ns  # just before the last poll that was answered
        self.mode = Mode.LEARN
        self.due_ns = now_ns

    @property
    def period_ns(self) -> float | None:
        """Return the observed time between edges, or None where none was learned."""
        return None if self._follower is None else self._follower.line.period_ns

    def polled(self, before_ns: int, after_ns: int, *, moved: bool, edge_ns: float | None = None) -> None:
        """Take in a poll and set :attr:`due_ns`.

        Args:
            before_ns: when the call began.
            after_ns: when it returned.
            moved: whether the value differs from that of the poll before.
            edge_ns: when the value changed, where the sensor itself tells (its own time stamp).
        """
        self._spend(before_ns)
        since_ns, self._polled_ns = self._polled_ns, before_ns
        if self.mode is Mode.LOCKED and self._follower is not None:
            self._follow(self._follower, since_ns, after_ns, moved, edge_ns)
        elif self.mode is Mode.LEARN:
            self._learn(since_ns, after_ns, moved, edge_ns)
        elif moved and self._may_learn(after_ns):
            self._start_learning(after_ns)
        else:
            self._rest(before_ns, after_ns)

    def plan(self, until_ns: int) -> list[tuple[int, bool | None]]:
        """Return the polls to come as long as nothing unexpected is seen, see :meth:`EdgeFollower.plan`."""
        if self.mode is not Mode.LOCKED or self._follower is None:
            return []
        return self._follower.plan(self.due_ns, until_ns)

    def failed(self, after_ns: int, failures: int) -> None:
        """Take in a failed poll: try again at once, then ever more rarely, at least once a second.

        Args:
            after_ns: when the call returned.
            failures: how many have failed in a row, this one included.
        """
        self._spend(after_ns)
        self.due_ns = after_ns + min(_MS * 2 ** min(failures, 12), 1_000 * _MS)

    def _may_learn(self, now_ns: int) -> bool:
        return now_ns - self._learn_started_ns > self._again_ns

    def _start_learning(self, now_ns: int) -> None:
        lasted_ns = now_ns - self._learn_started_ns
        self._again_ns = (
            _AGAIN_NS if lasted_ns > _AGAIN_LONGEST_NS else min(2 * self._again_ns, _AGAIN_LONGEST_NS)
        )
        self.mode = Mode.LEARN
        self._learned.clear()
        self._learn_started_ns = now_ns
        self.due_ns = now_ns + self._learn_step_ns

    @property
    def _learn_step_ns(self) -> int:
        return min(max(self._nominal_ns // 20, _MS), 10 * _MS)

    def _learn(self, since_ns: int, after_ns: int, moved: bool, edge_ns: float | None) -> None:
        self.due_ns = after_ns + self._learn_step_ns
        time_ns, half_ns = bracket(since_ns, after_ns, edge_ns)
        if moved and half_ns < self._nominal_ns / 5:  # else polls were too far apart to tell anything
            self._learned.append((time_ns, half_ns))
        if len(self._learned) >= _LEARN_EDGES:
            self._lock(after_ns)
        elif after_ns - self._learn_started_ns > self._patience_ns:
            self._settle_for_less(after_ns)

    @property
    def _patience_ns(self) -> int:
        patience_ns = max(6 * self._nominal_ns, _LEARN_PATIENCE_NS)
        return 3 * patience_ns if self._learned else patience_ns

    def _lock(self, now_ns: int) -> None:
        """Number the learned edges by the typical period (an unseen one leaves a hole), and follow."""
        steps = [later[0] - earlier[0] for earlier, later in pairwise(self._learned)]
        periods = sorted(step / max(1, round(step / self._nominal_ns)) for step in steps)
        period_ns, first_ns = periods[len(periods) // 2], self._learned[0][0]
        line = EdgeLine(
            ((round((t - first_ns) / period_ns), t, half) for t, half in self._learned), period_ns
        )
        self._follower = EdgeFollower(line, max(half for _, half in self._learned))
        self._tokens = _TOKENS_TO_REFINE
        self.mode = Mode.LOCKED
        self.due_ns = self._follower.aim(now_ns)

    def _settle_for_less(self, now_ns: int) -> None:
        """Stop dense polling: nothing (or too little) moves."""
        if self._follower is not None:  # a line is known from before: hold on to it
            self.mode = Mode.LOCKED
            self.due_ns = self._follower.aim(now_ns)
        else:
            self._rest(now_ns, now_ns)

    def _rest(self, before_ns: int, after_ns: int) -> None:
        self.mode = Mode.REST
        self.due_ns = max(before_ns + self._nominal_ns // 2, after_ns + _MS)

    def _follow(
        self, follower: EdgeFollower, since_ns: int, after_ns: int, moved: bool, edge_ns: float | None
    ) -> None:
        spare = self._tokens > _SPARE
        self.due_ns = follower.polled(since_ns, after_ns, moved=moved, edge_ns=edge_ns, spare_calls=spare)
        if follower.lost and self._may_learn(after_ns):
            self._start_learning(after_ns)

    def _spend(self, now_ns: int) -> None:
        earned = (now_ns - self._tokens_at_ns) * 1e-9 * _CALLS_PER_SECOND
        self._tokens = min(self._tokens + earned, max(self._tokens, _TOKENS)) - 1.0
        self._tokens_at_ns = now_ns
