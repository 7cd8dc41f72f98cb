"""Time stamps of a sensor: believed once they have behaved as refresh times, and never again after a lie."""

from __future__ import annotations

import pytest

from energyprof.recording.refresh_stamps import RefreshStamps, StampTrust, narrow

MS = 1_000_000
WALL = 10**18  # wall clock minus monotonic clock
REFRESH = 100 * MS
CALL = 50_000


def poll(stamps: RefreshStamps, now_ns: int, stamp_ns: int) -> bool:
    return stamps.tells(WALL + stamp_ns, now_ns, now_ns + CALL, WALL)


@pytest.fixture
def trust() -> StampTrust:
    return StampTrust()


@pytest.fixture
def stamps(trust: StampTrust) -> RefreshStamps:
    return RefreshStamps(REFRESH, trust)


def test_a_stamp_that_stands_between_refreshes_tells_the_next_one(
    stamps: RefreshStamps, trust: StampTrust
) -> None:
    told = [poll(stamps, now, now // REFRESH * REFRESH) for now in range(5 * MS, 500 * MS, 10 * MS)]
    assert sum(told) == 4
    assert trust.tell_refreshes


def test_the_time_of_the_call_tells_nothing(stamps: RefreshStamps, trust: StampTrust) -> None:
    assert not any(poll(stamps, now, now + 20_000) for now in range(0, 3000 * MS, 10 * MS))
    assert not trust.tell_refreshes
    assert trust.refuted


def test_sparse_polls_with_the_time_of_the_call_tell_nothing_either(stamps: RefreshStamps) -> None:
    assert not any(poll(stamps, now, now + 20_000) for now in range(0, 30_000 * MS, 300 * MS))


def test_a_missing_stamp_tells_nothing(stamps: RefreshStamps) -> None:
    assert not stamps.tells(None, 0, CALL, WALL)
    assert stamps.edge_ns(0, MS, WALL) is None


def learn(stamps: RefreshStamps) -> None:
    for edge in range(1, 30):
        for now in (edge * REFRESH - MS, edge * REFRESH + MS):
            poll(stamps, now, now // REFRESH * REFRESH)
            if now % REFRESH == MS:
                stamps.edge_ns(now - 2 * MS, now, WALL)


def test_a_stamp_gives_the_time_of_an_edge_once_close_polls_have_confirmed_it(stamps: RefreshStamps) -> None:
    poll(stamps, 5 * MS, 0)
    assert stamps.edge_ns(0, 5 * MS, WALL) is None
    learn(stamps)
    poll(stamps, 40 * REFRESH + 90 * MS, 40 * REFRESH)
    assert stamps.edge_ns(39 * REFRESH, 40 * REFRESH + 90 * MS, WALL) == 40 * REFRESH


def test_a_stamp_outside_of_what_polls_allow_ends_all_trust(stamps: RefreshStamps, trust: StampTrust) -> None:
    learn(stamps)
    poll(stamps, 40 * REFRESH, 15 * REFRESH)
    assert stamps.edge_ns(39 * REFRESH, 40 * REFRESH, WALL) is None
    assert trust.refuted
    learn(stamps)
    assert not trust.tell_times


def test_one_channels_trust_serves_the_others_of_the_sensor(stamps: RefreshStamps, trust: StampTrust) -> None:
    learn(stamps)
    other = RefreshStamps(REFRESH, trust)
    poll(other, 40 * REFRESH + 60 * MS, 40 * REFRESH + 30 * MS)
    assert other.edge_ns(39 * REFRESH, 40 * REFRESH + 60 * MS, WALL) == 40 * REFRESH + 30 * MS


def test_a_bracket_is_cut_down_to_a_millisecond_around_the_stamp_and_never_widened() -> None:
    assert narrow(0, 100 * MS, 50 * MS) == (49 * MS, 51 * MS)
    assert narrow(49_500_000, 50_200_000, 50 * MS) == (49_500_000, 50_200_000)
    assert narrow(0, 100 * MS, None) == (0, 100 * MS)
