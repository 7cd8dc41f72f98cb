"""Polling that is phase-locked to a sensor's refresh: learn period and phase, then look just around edges.

A sensor whose value moves every 100 ms is worth reading twice a refresh: shortly before the next edge, to
know that the older value still stood, and shortly after it. Where edges are is learned by dense polling, kept
by a straight line through the last edges (weighted least squares, so that drift is followed), and the margins
around a prediction adapt to what was seen: they shrink while edges fall between the two polls, and double
where an edge was missed.
"""

from __future__ import annotations

import math
from collections import deque
from enum import Enum
from typing import Final

__all__ = ["EdgeSchedule", "Mode"]

_MS: Final = 1_000_000
_LEARN_EDGES: Final = 4  # three periods: enough for a first line
_HISTORY: Final = 24  # edges in the fit: 2.4 s at 100 ms, short against clock drift, long against jitter
_MARGIN_FLOOR_NS: Final = 500_000
_SETTLED_SHRINK: Final = 0.99  # with doubling on a miss: some 1.5 % of edges are missed where they jitter
_EAGER_SHRINK: Final = 0.7
_EAGER_EDGES: Final = 12  # after learning
_CALLS_PER_SECOND: Final = 24.0  # what steady state may spend; what is left over goes into narrower brackets
_TOKENS: Final = 10.0  # how many calls may be saved up
_TOKENS_TO_REFINE: Final = 40.0  # after learning
_RELEARN_AFTER_NS: Final = 10_000 * _MS
_MISSES_UNTIL_LEARNING: Final = 4
_FOLLOW_AT_LEAST_NS: Final = 55 * _MS  # faster sensors: every m-th edge, at most about 40 calls a second


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
        self._edges: deque[tuple[int, float, float]] = deque(maxlen=_HISTORY)  # (number, centre, half-width)
        self._period_ns = 0.0
        self._anchor_ns = 0.0  # fitted time of edge number 0
        self._line = (1.0, 0.0, 0.0)  # of the fit: sum of weights, mean edge number, spread of edge numbers
        self._tokens, self._tokens_at_ns = _TOKENS, now_ns
        self._held_before_ns = now_ns  # just before the last poll that still showed the older value
        self._learn_started_ns = now_ns
        self._margin_before_ns = self._margin_after_ns = float(_MARGIN_FLOOR_NS)
        self._hits = 0  # edges followed since learning
        self._stride = 1
        self._misses = 0
        self._quiet_cycles = 0
        self._target = 0  # number of the edge that is waited for
        self._late_polls = 0
        self.mode = Mode.LEARN
        self.due_ns = now_ns

    @property
    def period_ns(self) -> float | None:
        """Return the observed time between edges, or None where none was learned."""
        return self._period_ns or None

    @property
    def margin_ns(self) -> float:
        """Return how wide the bracket around a predicted edge is at present."""
        return self._margin_before_ns + self._margin_after_ns

    def polled(self, before_ns: int, after_ns: int, *, moved: bool, edge_ns: float | None = None) -> None:
        """Take in a poll and set :attr:`due_ns`.

        Args:
            before_ns: when the call began.
            after_ns: when it returned.
            moved: whether the value differs from that of the poll before.
            edge_ns: when the value changed, where the sensor itself tells (its own time stamp).
        """
        self._spend(before_ns)
        since_ns, self._held_before_ns = self._held_before_ns, before_ns
        if self.mode is Mode.LOCKED:
            self._follow(since_ns, before_ns, after_ns, moved, edge_ns)
        elif self.mode is Mode.LEARN:
            self._learn(since_ns, after_ns, moved, edge_ns)
        else:
            self._rest(after_ns, moved)

    def failed(self, after_ns: int, failures: int) -> None:
        """Take in a failed poll: try again at once, then ever more rarely, at least once a second.

        Args:
            after_ns: when the call returned.
            failures: how many have failed in a row, this one included.
        """
        self._spend(after_ns)
        self.due_ns = after_ns + min(_MS * 2 ** min(failures, 12), 1_000 * _MS)

    # learning

    def _start_learning(self, now_ns: int) -> None:
        self.mode = Mode.LEARN
        self._edges.clear()
        self._learn_started_ns = now_ns
        self._misses = self._quiet_cycles = 0
        self.due_ns = now_ns + self._learn_step_ns

    @property
    def _learn_step_ns(self) -> int:
        return min(max(self._nominal_ns // 20, _MS), 10 * _MS)

    def _learn(self, since_ns: int, after_ns: int, moved: bool, edge_ns: float | None) -> None:
        self.due_ns = after_ns + self._learn_step_ns
        centre_ns, half_ns = _bracket(since_ns, after_ns, edge_ns)
        if moved and half_ns < self._nominal_ns / 6:  # else polls were too far apart to tell anything
            number = self._edges[-1][0] + 1 if self._edges else 0
            self._edges.append((number, centre_ns, half_ns))
            if len(self._edges) >= _LEARN_EDGES:
                self._lock(after_ns)
        elif after_ns - self._learn_started_ns > max(6 * self._nominal_ns, 1_000 * _MS):
            self._settle_for_less(after_ns)

    def _settle_for_less(self, now_ns: int) -> None:
        """Stop dense polling: nothing (or too little) moves."""
        if self._period_ns:  # known from before: hold that schedule
            self._go_on(now_ns)
        else:
            self.mode = Mode.REST
            self.due_ns = now_ns + self._nominal_ns // 2

    def _lock(self, now_ns: int) -> None:
        steps = sorted(b[1] - a[1] for a, b in zip(self._edges, list(self._edges)[1:], strict=False))
        self._renumber(steps[len(steps) // 2])
        self._fit()
        widest = max(half for _, _, half in self._edges)
        self._margin_before_ns = self._margin_after_ns = max(widest, float(_MARGIN_FLOOR_NS))
        self._hits = 0
        self._tokens = _TOKENS_TO_REFINE
        self._go_on(now_ns)

    def _renumber(self, period_ns: float) -> None:
        """Number the learned edges by the typical period: one that was not seen leaves a hole."""
        edges = list(self._edges)
        self._edges.clear()
        first_ns = edges[0][1]
        for _, centre_ns, half_ns in edges:
            self._edges.append((round((centre_ns - first_ns) / period_ns), centre_ns, half_ns))

    def _rest(self, after_ns: int, moved: bool) -> None:
        if moved and after_ns - self._learn_started_ns > _RELEARN_AFTER_NS:
            self._start_learning(after_ns)
        else:
            self.due_ns = after_ns + self._nominal_ns // 2

    # following

    def _follow(
        self, since_ns: int, before_ns: int, after_ns: int, moved: bool, edge_ns: float | None
    ) -> None:
        predicted_ns = self._predict(self._target)
        if not moved:
            self._wait_on(predicted_ns, after_ns)
            return
        early = since_ns < predicted_ns - 0.5 * self._period_ns  # no poll stood before this edge
        if early and self._stride > 1 and after_ns < predicted_ns:
            self._wait_on(
                predicted_ns, after_ns
            )  # edges before this one are not followed, and moved the value
        elif early and edge_ns is None:
            self._missed(after_ns, predicted_ns)
        else:
            self._note_edge(*_bracket(since_ns, after_ns, edge_ns))
            early = (
                early or self._edges[-1][0] > self._target
            )  # the one aimed at had come before the first poll
            self._adapt(missed=early)
            self._misses = self._misses + 1 if early else 0
            self._quiet_cycles = 0
            self._after_edge(after_ns)

    def _missed(self, after_ns: int, predicted_ns: float) -> None:
        """Take in an edge that came before the first poll around its prediction."""
        margin_ns = self._margin_before_ns
        self._adapt(missed=True)
        self._misses += 1
        if after_ns < predicted_ns + self._period_ns / 4:  # else the poll came late, and tells nothing
            self._note_edge(min(after_ns, predicted_ns) - margin_ns, 2 * margin_ns)
        self._quiet_cycles = 0
        self._after_edge(after_ns)

    def _after_edge(self, after_ns: int) -> None:
        relearn = self._misses >= _MISSES_UNTIL_LEARNING
        if relearn and after_ns - self._learn_started_ns > _RELEARN_AFTER_NS:
            self._start_learning(after_ns)
        else:
            self._go_on(after_ns)

    def _wait_on(self, predicted_ns: float, after_ns: int) -> None:
        """Choose the next poll of a cycle whose edge has not shown yet."""
        width_ns = self.margin_ns
        self._late_polls += after_ns > predicted_ns + self._margin_after_ns
        if self._late_polls > max(0, 7 - 3 * self._quiet_cycles):
            self._pass_over(after_ns)
        elif after_ns > predicted_ns + self._margin_after_ns:
            step_ns = max(width_ns / 2, _MS) * 1.6**self._late_polls
            self.due_ns = after_ns + int(min(step_ns, self._period_ns / 8))
        elif self._tokens > 4 and width_ns > 2 * _MS:
            self.due_ns = after_ns + int(max(width_ns / 4, _MARGIN_FLOOR_NS))
        else:
            self.due_ns = max(after_ns + _MARGIN_FLOOR_NS // 2, int(predicted_ns + self._margin_after_ns))

    def _pass_over(self, now_ns: int) -> None:
        """Give up on an edge: the value held (steady load, a refresh left out), or it came unseen."""
        self._quiet_cycles += 1
        if self._stride == 1:
            self._go_on(now_ns)
            return
        self._adapt(missed=True)  # values in between move too, so that an early edge does not show
        self._misses += 1
        self._after_edge(now_ns)

    def _go_on(self, now_ns: int) -> None:
        """Aim at the next edge whose first poll is still to come."""
        self.mode = Mode.LOCKED
        self._stride = max(1, math.ceil(_FOLLOW_AT_LEAST_NS / self._period_ns))
        last = self._edges[-1][0] if self._edges else 0
        target = max(last, self._target if self._quiet_cycles else last) + self._stride
        margin_ns = self._margin_of(target)
        behind_ns = now_ns + margin_ns - self._predict(target)
        if behind_ns > 0:
            target += int(behind_ns // self._period_ns) + 1
        self._target = target
        self._late_polls = 0
        self.due_ns = max(now_ns + _MARGIN_FLOOR_NS // 2, int(self._predict(target) - margin_ns))

    def _margin_of(self, number: int) -> float:
        """Return the margin before an edge: the adaptive one, or twice what the line does not tell."""
        return min(max(self._margin_before_ns, 2 * self._spread_ns(number)), self._period_ns / 4)

    def _adapt(self, *, missed: bool) -> None:
        self._hits += 1
        if missed:
            self._margin_before_ns = min(2 * self._margin_before_ns, self._period_ns / 4)
            return
        shrink = _EAGER_SHRINK if self._hits <= _EAGER_EDGES else _SETTLED_SHRINK
        self._margin_before_ns = max(shrink * self._margin_before_ns, _MARGIN_FLOOR_NS)
        if self._late_polls:
            self._margin_after_ns = min(1.5 * self._margin_after_ns, self._period_ns / 4)
        else:
            self._margin_after_ns = max(shrink * self._margin_after_ns, _MARGIN_FLOOR_NS)

    def _note_edge(self, centre_ns: float, half_ns: float) -> None:
        if half_ns > 0.3 * self._period_ns:
            return  # it could be any of several edges
        last = self._edges[-1] if self._edges else (self._target - 1, centre_ns - self._period_ns, half_ns)
        number = last[0] + max(1, round((centre_ns - last[1]) / self._period_ns))
        self._edges.append((number, centre_ns, half_ns))
        self._fit()

    # the line through the edges

    def _predict(self, number: int) -> float:
        return self._anchor_ns + number * self._period_ns

    def _spread_ns(self, number: int) -> float:
        """Return the standard deviation of a prediction that follows from the width of the brackets."""
        weight, mean_n, spread = self._line
        return math.sqrt((1 / weight + (number - mean_n) ** 2 / spread) / 3) if spread > 0 else 0.0

    def _fit(self) -> None:
        """Fit edge time against edge number by least squares weighted with the width of the brackets."""
        weight = mean_n = mean_t = 0.0
        origin_ns = self._edges[0][1]
        rows = [(n, t - origin_ns, 1.0 / (half * half + 1e10)) for n, t, half in self._edges]
        for n, t, w in rows:
            weight += w
            mean_n += w * n
            mean_t += w * t
        mean_n, mean_t = mean_n / weight, mean_t / weight
        spread = sum(w * (n - mean_n) ** 2 for n, _, w in rows)
        if spread > 0:
            slope = sum(w * (n - mean_n) * (t - mean_t) for n, t, w in rows) / spread
            self._period_ns = max(slope, float(_MS))
        self._anchor_ns = origin_ns + mean_t - mean_n * self._period_ns
        self._line = (weight, mean_n, spread)

    # the budget of calls

    def _spend(self, now_ns: int) -> None:
        earned = (now_ns - self._tokens_at_ns) * 1e-9 * _CALLS_PER_SECOND
        self._tokens = min(self._tokens + earned, max(self._tokens, _TOKENS)) - 1.0
        self._tokens_at_ns = now_ns


def _bracket(since_ns: int, after_ns: int, edge_ns: float | None) -> tuple[float, float]:
    """Return centre and half-width of what is known of an edge."""
    if edge_ns is not None:
        return edge_ns, 100_000.0
    return (since_ns + after_ns) / 2, (after_ns - since_ns) / 2
