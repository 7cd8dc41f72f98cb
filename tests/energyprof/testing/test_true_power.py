from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.errors import UsageError
from energyprof.testing.true_power import TruePower

SECOND_NS = 10**9
schedules = st.builds(
    lambda parts, start, repeats: TruePower.of(
        parts, start_ns=start, repeat_from=0 if repeats else None, before_w=12.5
    ),
    st.lists(st.tuples(st.floats(1e-6, 5.0), st.floats(0.0, 800.0)), min_size=1, max_size=8),
    st.integers(0, 10**13),
    st.booleans(),
)


def test_steady_power_gives_power_times_time() -> None:
    assert TruePower.steady(250.0).energy_j(-SECOND_NS, 3 * SECOND_NS) == 1000.0


def test_a_repeating_schedule_gives_whole_periods_and_a_part() -> None:
    power = TruePower.of([(0.035, 350.0), (0.015, 80.0)], start_ns=SECOND_NS, repeat_from=0)
    assert power.energy_j(SECOND_NS, 11 * SECOND_NS) == 200 * (0.035 * 350 + 0.015 * 80)
    assert power.energy_j(SECOND_NS, SECOND_NS + 60_000_000) == 12.25 + 1.2 + 3.5
    assert power.power_w(SECOND_NS + 40_000_000) == 80.0


def test_segments_before_the_repeated_ones_come_once() -> None:
    power = TruePower.of([(1.0, 50.0), (0.5, 100.0), (0.5, 200.0)], start_ns=0, repeat_from=1)
    assert power.energy_j(0, 3 * SECOND_NS) == 50 + 150 + 150


def test_power_appended_holds_from_then_on() -> None:
    power = TruePower.steady(10.0).then(5 * SECOND_NS, 100.0)
    assert power.energy_j(4 * SECOND_NS, 6 * SECOND_NS) == 110.0
    assert power.energy_j(-1 * SECOND_NS, 0) == 10.0


def test_power_cannot_be_appended_to_the_past_or_to_a_repeating_schedule() -> None:
    with pytest.raises(UsageError):
        TruePower.steady(10.0).then(5, 1.0).then(5, 2.0)
    with pytest.raises(UsageError):
        TruePower.of([(1.0, 1.0)], start_ns=0, repeat_from=0).then(5 * SECOND_NS, 1.0)


@pytest.mark.parametrize("parts", [[], [(0.0, 10.0)], [(1.0, -1.0)], [(1e5, 100.0)]])
def test_what_is_no_schedule_is_refused(parts: list[tuple[float, float]]) -> None:
    with pytest.raises(UsageError):
        TruePower.of(parts, start_ns=0)


@settings(max_examples=100, deadline=None)
@given(schedules, st.lists(st.integers(-(10**10), 10**11), min_size=3, max_size=3))
def test_energies_of_adjoining_intervals_add_up_exactly(power: TruePower, times: list[int]) -> None:
    a, b, c = sorted(power.start_ns[0] + t for t in times)
    assert power.energy_pj(a) <= power.energy_pj(b) <= power.energy_pj(c)
    within = [power.power_mw[k] for k in range(len(power.power_mw))] + [power.before_mw]
    assert min(within) * (c - a) <= power.energy_pj(c) - power.energy_pj(a) <= max(within) * (c - a)


@settings(max_examples=30, deadline=None)
@given(schedules)
def test_energy_is_the_sum_of_power_over_small_steps(power: TruePower) -> None:
    edges = set(power.start_ns) | {power.end_ns}
    times = sorted(edges)
    total = sum(round(power.power_w(a) * 1e3) * (b - a) for a, b in pairwise(times))
    assert power.energy_pj(times[-1]) - power.energy_pj(times[0]) == total


def test_energies_of_many_windows_come_at_once() -> None:
    power = TruePower.steady(100.0)
    times = np.array([5, 6, 9], np.int64) * SECOND_NS
    assert power.energies_j(times[:-1], times[1:]).tolist() == [100.0, 300.0]
