"""What a loop loses around wake-ups, on made-up units of which it is known what they lost, and where."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.stalls import AFTER_NS, BEFORE_NS, MARGIN_NS, WitnessClock, loss

UNIT_NS = 50_000
SECOND_NS = 1_000_000_000


def starts_of(length_ns: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return when units of these lengths began, and when the last one ended."""
    return np.concatenate([[0], np.cumsum(length_ns)]).astype(np.int64)


def slowed(
    length_ns: NDArray[np.float64], at_ns: NDArray[np.int64], cost_ns: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Let the units in which something happens take longer; return all starts, and when it happened."""
    units = np.searchsorted(starts_of(length_ns), at_ns, side="right") - 1
    longer = length_ns.copy()
    np.add.at(longer, units, cost_ns)
    starts = starts_of(longer)
    return starts, starts[units] + 10_000


def spans(at_ns: NDArray[np.int64], awake_ns: int = 30_000) -> NDArray[np.int64]:
    return np.column_stack([at_ns, at_ns + awake_ns])


def wakes(seed: int, seconds: int) -> NDArray[np.int64]:
    """Return eleven wake-ups a second at uneven times, none near the ends."""
    tick = np.arange(1, 11 * seconds) * (SECOND_NS // 11)
    return (tick + np.random.default_rng(seed).integers(-9_000_000, 9_000_000, len(tick))).astype(np.int64)


def steady(seconds: int) -> NDArray[np.float64]:
    return np.full(seconds * SECOND_NS // UNIT_NS, float(UNIT_NS))


@pytest.mark.parametrize("cost_ns", [0, 500, 20_000, 700_000])
def test_what_each_wake_up_cost_is_the_loss_and_there_is_no_noise(cost_ns: int) -> None:
    starts, at_ns = slowed(steady(4), wakes(0, 4), cost_ns)
    found = loss(starts, spans(at_ns))
    true_share = len(at_ns) * cost_ns / (starts[-1] - starts[0])
    assert found.share == pytest.approx(true_share, rel=1e-9, abs=1e-12)
    assert (found.low, found.high) == pytest.approx((true_share, true_share), rel=1e-9, abs=1e-12)
    assert found.noise == pytest.approx(0, abs=1e-12)
    assert found.wakes_per_s == pytest.approx(len(at_ns) / (starts[-1] * 1e-9))


@pytest.mark.parametrize("late_ns", [-80_000, 0, 300_000, 900_000])
def test_a_loss_shortly_before_or_after_the_wake_up_counts_as_its_own(late_ns: int) -> None:
    starts, at_ns = slowed(steady(2), wakes(1, 2), 20_000)
    found = loss(starts, spans(at_ns - late_ns))
    assert found.share == pytest.approx(len(at_ns) * 20_000 / starts[-1], rel=1e-9)


def test_a_loss_far_from_every_wake_up_is_none_of_the_sampler_s() -> None:
    at_ns = wakes(2, 2)
    starts, _ = slowed(steady(2), at_ns + 9_000_000, 20_000)
    found = loss(starts, spans(at_ns))
    assert found.share == pytest.approx(0, abs=1e-12)
    assert found.noise == pytest.approx(0, abs=1e-12)  # neither near them nor half-way between them


def test_a_loss_at_any_time_alike_is_noise_and_is_taken_off() -> None:
    length = steady(20)
    every = np.arange(20 * SECOND_NS // 500_000, dtype=np.int64) * 500_000  # 3 us each half millisecond
    starts, _ = slowed(length, every, 3_000)
    at_ns = wakes(3, 20)
    found = loss(starts, spans(at_ns))
    in_windows = len(at_ns) * (BEFORE_NS + AFTER_NS + 30_000) / starts[-1]
    assert found.noise == pytest.approx(in_windows * 3_000 / 500_000, rel=0.1)
    assert abs(found.share) < 0.05 * found.noise


def test_a_machine_that_becomes_slower_loses_nothing_by_that() -> None:
    length = np.linspace(UNIT_NS, 1.5 * UNIT_NS, 4 * SECOND_NS // UNIT_NS)
    starts, at_ns = slowed(length, wakes(4, 4), 10_000)
    found = loss(starts, spans(at_ns))
    assert found.share == pytest.approx(len(at_ns) * 10_000 / starts[-1], rel=0.01)


def test_the_interval_holds_the_truth_in_noise_far_greater_than_it() -> None:
    held, cost_ns = [], 4_000.0
    for seed in range(60):
        random = np.random.default_rng(seed)
        length = UNIT_NS + random.exponential(1_000, 3 * SECOND_NS // UNIT_NS)
        length[random.random(len(length)) < 0.002] += 60_000  # now and then something else runs
        starts, at_ns = slowed(length, wakes(seed, 3), cost_ns)
        found = loss(starts, spans(at_ns))
        held.append(found.low <= len(at_ns) * cost_ns / starts[-1] <= found.high)
        assert found.low <= found.share <= found.high
    assert np.mean(held) >= 0.85  # of a bootstrap over 32 wake-ups, nominally 0.95


@settings(max_examples=40, deadline=None)
@given(shift_ns=st.integers(-(10**17), 10**17), seed=st.integers(0, 9))
def test_when_the_clock_began_changes_nothing(shift_ns: int, seed: int) -> None:
    starts, at_ns = slowed(steady(1), wakes(seed, 1), 5_000)
    assert loss(starts + shift_ns, spans(at_ns + shift_ns)) == loss(starts, spans(at_ns))


def test_wake_ups_close_to_each_other_are_not_taken_for_noise() -> None:
    every = np.arange(1, 100, dtype=np.int64) * 20_000_000  # as the sensors of the fastest cards refresh
    starts, at_ns = slowed(steady(2), every, 20_000)
    assert loss(starts, spans(at_ns)).share == pytest.approx(len(at_ns) * 20_000 / starts[-1], rel=1e-9)
    pairs = np.sort(np.concatenate([wakes(6, 2), wakes(6, 2) + 2_000_000]))
    starts, at_ns = slowed(steady(2), pairs, 20_000)
    assert loss(starts, spans(at_ns)).share == pytest.approx(len(at_ns) * 20_000 / starts[-1], rel=1e-9)


def test_too_little_to_tell_is_no_figure() -> None:
    length = steady(1)
    with pytest.raises(ValueError, match="1 wake-ups were seen: time a longer loop"):
        loss(starts_of(length), spans(np.array([500_000_000])))
    with pytest.raises(ValueError, match="there is a wake-up always"):
        loss(starts_of(length), spans(np.arange(100, dtype=np.int64) * 1_500_000 + 50_000_000))
    assert len(WitnessClock().awake_ns(0, SECOND_NS)) == 0


def clock_of(*waits_ms: tuple[float, float]) -> WitnessClock:
    """Return a clock on which a thread waited: when each wait began, and when it was to end."""
    clock = WitnessClock()
    clock._waits = [(round(begin * 1e6), round(end * 1e6)) for begin, end in waits_ms]
    return clock


def awake_ms(clock: WitnessClock, begin_ms: float = 0, end_ms: float = 1_000) -> list[tuple[float, float]]:
    found = clock.awake_ns(round(begin_ms * 1e6), round(end_ms * 1e6))
    return [(begin / 1e6, end / 1e6) for begin, end in found.tolist()]


def test_it_is_awake_from_the_end_of_a_wait_to_the_next_one() -> None:
    clock = clock_of((0, 100), (100.4, 200), (200.3, 300))
    assert awake_ms(clock) == [(100, 100.4), (200, 200.3)]


def test_a_wait_for_a_time_that_is_past_ends_where_it_began() -> None:
    assert awake_ms(clock_of((50, 100), (102, 101), (103, 200), (200.5, 300))) == [(100, 103), (200, 200.5)]


def test_spans_that_are_too_close_to_tell_apart_are_one() -> None:
    apart = (BEFORE_NS + AFTER_NS) / 1e6
    clock = clock_of((0, 100), (100.1, 100.1 + apart), (101.5, 200), (200.2, 201.4), (201.5, 300))
    assert awake_ms(clock) == [(100, 101.5), (200, 200.2), (201.4, 201.5)]


def test_spans_near_the_ends_of_the_stretch_are_left_out() -> None:
    clock = clock_of((0, 100), (100.4, 200), (200.3, 300), (300.2, 400))
    margin = MARGIN_NS / 1e6
    assert awake_ms(clock, 100 - margin - 1, 300.2 + margin + 1) == [(100, 100.4), (200, 200.3), (300, 300.2)]
    assert awake_ms(clock, 100 - margin, 300.2 + margin) == [(200, 200.3)]


def test_what_another_process_read_is_a_span_that_ends_with_its_reading() -> None:
    clock = clock_of((0, 100), (100.4, 200))
    clock.saw_awake(np.array([150_000_000, 150_000_000], np.int64))  # two channels, read at once
    clock.saw_awake(np.array([100_500_000, 170_000_000], np.int64))
    before = BEFORE_NS / 1e6
    assert awake_ms(clock) == [(100, 100.5), (150 - before, 150), (170 - before, 170)]


def test_the_loop_s_loss_to_another_process_is_found_by_what_it_read() -> None:
    starts, at_ns = slowed(steady(4), wakes(5, 4), 15_000)
    clock = clock_of((0, 1e6))
    clock.saw_awake(at_ns + 20_000)
    found = loss(starts, clock.awake_ns(int(starts[0]), int(starts[-1])))
    assert found.share == pytest.approx(len(at_ns) * 15_000 / starts[-1], rel=1e-9)
