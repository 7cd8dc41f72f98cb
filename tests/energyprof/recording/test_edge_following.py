"""The choice of polls around one predicted edge, step by step."""

from __future__ import annotations

import pytest

from energyprof.recording.edge_following import EdgeFollower, bracket
from energyprof.recording.edge_line import EdgeLine

MS = 1_000_000
CALL = 50_000


def follower(period_ms: float = 100, margin_ms: float = 1.0) -> EdgeFollower:
    """A follower that has seen edges 0 to 19, the last at 1900 ms for a period of 100 ms."""
    line = EdgeLine([(k, k * period_ms * MS, 0.5 * MS) for k in range(20)], period_ms * MS)
    return EdgeFollower(line, margin_ms * MS)


def poll(
    following: EdgeFollower, at_ns: int, since_ns: int, *, moved: bool, edge_ns: float | None = None
) -> int:
    return following.polled(since_ns, at_ns + CALL, moved=moved, edge_ns=edge_ns, spare_calls=False)


def test_the_first_poll_comes_before_the_edge_and_the_second_after_it() -> None:
    following = follower()
    before = following.aim(1950 * MS)
    assert 1998 * MS < before < 2000 * MS
    after = poll(following, before, 1901 * MS, moved=False)
    assert 2000 * MS < after < 2002 * MS
    following_edge = poll(following, after, before, moved=True)
    assert 2098 * MS < following_edge < 2100 * MS
    assert not following.lost


def test_an_edge_before_the_first_poll_widens_the_margin_and_brings_the_next_poll_forward() -> None:
    following = follower()
    first = following.aim(1950 * MS)
    usual = 2000 * MS - first
    early = 2100 * MS - poll(following, first, 1901 * MS, moved=True)
    assert early > 1.4 * usual


def test_an_edge_that_is_late_is_looked_for_until_it_shows() -> None:
    following = follower()
    first = following.aim(1950 * MS)
    due, since = poll(following, first, 1901 * MS, moved=False), first
    polls = 0
    while due < 2006 * MS:
        due, since = poll(following, due, since, moved=False), due
        polls += 1
    assert 2 <= polls <= 6
    assert poll(following, due, since, moved=True) < 2105 * MS


def test_four_unexpected_edges_in_a_row_mean_that_the_phase_is_lost() -> None:
    following = follower()
    due = following.aim(1950 * MS)
    for _ in range(4):
        assert not following.lost
        due = poll(following, due, due - 60 * MS, moved=True)
    assert following.lost


def test_where_stamps_tell_edges_one_poll_after_each_is_enough_but_every_tenth_has_two() -> None:
    following = follower()
    due, since = following.aim(1950 * MS), 1901 * MS
    before_edge = 0
    for _ in range(60):
        edge = (due // (100 * MS)) * 100 * MS
        is_before = due % (100 * MS) > 90 * MS
        before_edge += is_before
        due, since = (
            poll(following, due, since, moved=not is_before, edge_ns=None if is_before else edge),
            due,
        )
    assert 4 <= before_edge <= 8


def test_a_fast_sensor_is_followed_at_some_of_its_edges() -> None:
    following = follower(period_ms=20)
    assert 440 * MS - 2 * MS < following.aim(381 * MS) < 440 * MS  # the third from the last at 380 ms


def test_a_stamp_is_a_narrower_bracket_than_two_polls() -> None:
    assert bracket(0, 100 * MS, None) == (50 * MS, 50 * MS)
    time_ns, half_ns = bracket(0, 100 * MS, 30.0 * MS)
    assert time_ns == pytest.approx(30 * MS)
    assert half_ns < MS


def settled(*, told: bool) -> tuple[EdgeFollower, int]:
    """A follower that has followed 60 edges, told by stamps or bracketed, and when its next poll is due."""
    following = follower()
    due, since = following.aim(1950 * MS), 1901 * MS
    for _ in range(120 if not told else 66):
        edge = round(due / (100 * MS)) * 100 * MS
        moved = due > edge
        edge_ns = edge if moved and told else None
        due, since = poll(following, due, since, moved=moved, edge_ns=edge_ns), due
    return following, due


@pytest.mark.parametrize("told", [False, True])
def test_a_plan_is_what_polling_would_have_chosen(told: bool) -> None:
    following, due = settled(told=told)
    since = due - 50 * MS
    plan = following.plan(due, due + 2_000 * MS)
    assert len(plan) >= 20
    for due_ns, moved in plan:
        assert abs(due - due_ns) < 0.5 * MS  # margins go on shrinking
        assert moved is (due > round(due / (100 * MS)) * 100 * MS)
        edge_ns = round(due / (100 * MS)) * 100 * MS if moved and told else None
        due, since = poll(following, due, since, moved=bool(moved), edge_ns=edge_ns), due


def test_a_stall_after_which_edges_are_where_they_should_be_is_no_miss() -> None:
    following, due = settled(told=True)
    late = due + 2_013 * MS
    due = poll(following, late, due - 100 * MS, moved=True, edge_ns=(late // (100 * MS)) * 100 * MS)
    assert following.plan(due, due + 1_000 * MS)


def test_nothing_is_planned_while_edges_come_unexpectedly() -> None:
    following, due = settled(told=False)
    assert following.plan(due, due + 1_000 * MS)
    due = poll(following, due, due - 60 * MS, moved=True)
    assert following.plan(due, due + 1_000 * MS) == []
    assert follower().plan(1990 * MS, 3000 * MS) == []
