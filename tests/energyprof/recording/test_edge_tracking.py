"""Phase-locked polling against simulated refreshes: where the edges are found, and with how many calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.recording.edge_tracking import EdgeSchedule, Mode

MS = 1_000_000
SECOND = 1_000 * MS
START = 10**12
CALL = 80_000  # ns, a typical NVML call


@dataclass
class Polled:
    """What a simulated schedule did after its first three seconds."""

    calls: int = 0
    seconds: float = 0.0
    widths_ms: list[float] = field(default_factory=list)
    missed: int = 0
    schedule: EdgeSchedule | None = None

    @property
    def calls_per_second(self) -> float:
        return self.calls / self.seconds

    @property
    def typical_width_ms(self) -> float:
        return float(np.median(self.widths_ms))


def simulate(
    period_ns: float,
    *,
    nominal_ns: int = 100 * MS,
    jitter_ns: float = 0.0,
    late_ns: float = 0.0,
    seconds: int = 30,
    seed: int = 0,
    moves: Callable[[int], bool] = lambda _: True,
    stamps: bool = False,
) -> Polled:
    """Run a schedule over refreshes every ``period_ns``, of which ``moves`` says which change the value."""
    rng = np.random.default_rng(seed)
    edges = START - 7 * period_ns + np.arange(int(seconds * SECOND / period_ns) + 20) * period_ns
    edges = np.sort(edges + rng.normal(0, jitter_ns, len(edges))) if jitter_ns else edges
    steps = np.cumsum([moves(k) for k in range(len(edges))])
    schedule, now, last, seen = EdgeSchedule(nominal_ns, START), START, None, None
    result = Polled(seconds=seconds - 3, schedule=schedule)
    held = now
    while now < START + seconds * SECOND:
        now = max(now, schedule.due_ns) + int(rng.exponential(late_ns) if late_ns else 0)
        edge = int(np.searchsorted(edges, now + CALL // 2))
        value = steps[edge - 1]
        moved = last is not None and value != last
        refreshed = seen is not None and edge != seen
        told = float(edges[edge - 1]) if stamps and refreshed else None
        schedule.polled(now, now + CALL, moved=moved or (stamps and refreshed), edge_ns=told)
        if now > START + 3 * SECOND:
            result.calls += 1
            if moved:
                result.widths_ms.append((now + CALL - held) / MS)
                result.missed += int(value - last > 1)
        last, seen, held, now = value, edge, now, now + CALL
    return result


@pytest.mark.parametrize("period_ms", [80, 95.3, 100, 109])
@pytest.mark.parametrize("phase_seed", range(3))
def test_edges_of_a_regular_sensor_are_known_to_two_milliseconds_at_25_calls_a_second(
    period_ms: float, phase_seed: int
) -> None:
    seen = simulate(period_ms * MS + phase_seed * 1234.5)
    assert seen.calls_per_second <= 2.5 * 1000 / period_ms
    assert seen.typical_width_ms < 2.0
    assert seen.missed == 0


def test_stamps_of_refreshes_make_one_call_a_refresh_enough_and_stay_checked() -> None:
    seen = simulate(100.37 * MS, stamps=True)
    assert seen.calls_per_second < 12
    assert sum(width < 2 for width in seen.widths_ms) >= len(seen.widths_ms) // 10
    assert seen.missed == 0


@given(period_ms=st.floats(80, 120), jitter_ms=st.floats(0, 5), seed=st.integers(0, 5))
@settings(max_examples=15, deadline=None)
def test_no_refresh_is_lost_and_the_budget_holds_whatever_the_jitter(
    period_ms: float, jitter_ms: float, seed: int
) -> None:
    seen = simulate(period_ms * MS, jitter_ns=jitter_ms * MS / 2, seed=seed)
    assert seen.calls_per_second <= 25.5
    assert seen.missed <= 2  # of some 270


def test_the_observed_period_is_that_of_the_card_and_not_the_nominal_one() -> None:
    seen = simulate(93.1 * MS)
    assert seen.schedule is not None
    assert seen.schedule.period_ns == pytest.approx(93.1 * MS, rel=1e-3)


def test_a_late_thread_widens_the_margin_in_place_of_missing_edges() -> None:
    seen = simulate(100 * MS, late_ns=1 * MS)
    assert seen.calls_per_second <= 25
    assert np.mean(np.array(seen.widths_ms) > 50) < 0.05


def test_a_fast_sensor_is_followed_at_every_third_refresh() -> None:
    seen = simulate(20 * MS, nominal_ns=20 * MS)
    assert seen.calls_per_second <= 42
    assert np.percentile(seen.widths_ms, 40) < 2.0  # the others are of polls before the edge aimed at


def test_a_steady_value_holds_the_schedule_and_its_next_change_is_found_in_place() -> None:
    seen = simulate(100 * MS, moves=lambda k: not 60 < k < 200)  # steady for 14 s
    assert seen.calls_per_second <= 25
    assert np.median(seen.widths_ms[-50:]) < 3.0


def test_a_value_that_never_moves_is_polled_evenly_and_not_densely() -> None:
    seen = simulate(100 * MS, moves=lambda _: False)
    assert seen.calls_per_second <= 20.1
    assert seen.schedule is not None
    assert seen.schedule.mode is Mode.REST
    assert seen.schedule.period_ns is None


def test_refreshes_that_shift_their_phase_are_found_again() -> None:
    shifted = START + 10 * SECOND
    schedule, now, last, held = EdgeSchedule(100 * MS, START), START, None, START
    widths = []
    while now < START + 40 * SECOND:
        now = max(now, schedule.due_ns)
        value = (now - (43 * MS if now > shifted else 0)) // (100 * MS)
        schedule.polled(now, now + CALL, moved=last is not None and value != last)
        if last is not None and value != last and now > shifted + 20 * SECOND:
            widths.append((now + CALL - held) / MS)
        last, held, now = value, now, now + CALL
    assert np.median(widths) < 3.0


def test_failures_are_tried_again_at_once_and_then_ever_more_rarely() -> None:
    schedule = EdgeSchedule(100 * MS, START)
    waits = []
    for failure in range(1, 20):
        schedule.failed(START, failure)
        waits.append(schedule.due_ns - START)
    assert waits[0] <= 2 * MS
    assert waits == sorted(waits)
    assert waits[-1] == SECOND


def test_polls_too_far_apart_to_learn_from_are_not_taken_for_refreshes() -> None:
    schedule, now = EdgeSchedule(100 * MS, START), START
    for _ in range(200):  # each poll comes 250 ms late: the value has always moved
        now = max(now, schedule.due_ns) + 250 * MS
        schedule.polled(now, now + CALL, moved=True)
    assert schedule.period_ns is None
