"""A counter made continuous: resets, reloads, jumps, freezes."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.sensors.energy_counter import EnergyCounter

MS = 1_000_000
SECOND = 1_000 * MS


def counter(ceiling_w: float | None = 840.0) -> EnergyCounter:
    made = EnergyCounter(100 * MS, ceiling_w=ceiling_w)
    made.take(10_000_000, 0, 300.0)
    return made


def test_increments_are_joules_since_the_first_reading() -> None:
    made = counter()
    assert made.take(10_030_000, 100 * MS, 300.0).energy_j == 30.0
    assert made.take(10_045_500, 200 * MS, 300.0).energy_j == 45.5


def test_a_fall_is_a_gap_and_counting_goes_on_from_there() -> None:
    made = counter()
    made.take(10_030_000, 100 * MS, 300.0)
    reset = made.take(5_000, 200 * MS, 300.0)
    assert (reset.energy_j, reset.gap) == (35.0, True)  # 5 J since it began anew
    assert reset.reason is not None
    assert made.take(35_000, 300 * MS, 300.0).energy_j == 65.0


def test_a_jump_beyond_what_the_card_can_draw_is_not_counted() -> None:
    made = counter()
    jump = made.take(10_000_000_000, 100 * MS, 300.0)
    assert (jump.energy_j, jump.gap) == (0.0, True)
    assert made.take(10_000_030_000, 200 * MS, 300.0).energy_j == 30.0


def test_a_long_pause_is_no_jump() -> None:
    made = counter()
    after = made.take(10_000_000 + 3600 * 300_000, 3600 * SECOND, 300.0)
    assert (after.energy_j, after.gap) == (3600 * 300.0, False)


def test_a_reload_that_kept_the_counter_is_no_gap() -> None:
    made = counter()  # 10 kJ: more than the card can have drawn since the reload
    made.reload()
    assert not made.take(10_300_000, SECOND, 300.0).gap


def test_a_reload_after_which_the_counter_may_have_passed_its_old_value_is_a_gap() -> None:
    made = EnergyCounter(100 * MS, ceiling_w=840.0)
    made.take(50_000, 0, 300.0)  # 50 J: drawn within a second
    made.reload()
    assert made.take(250_000, SECOND, 300.0).gap
    unknown = EnergyCounter(100 * MS)
    unknown.take(50_000_000, 0, 300.0)
    unknown.reload()
    assert unknown.take(50_001_000, SECOND, 300.0).gap


def test_standing_still_while_power_is_drawn_is_told_once_a_second() -> None:
    made = counter()
    told = [made.take(10_000_000, k * 50 * MS, 300.0) for k in range(1, 200)]
    gaps = [k for k, value in enumerate(told, start=1) if value.gap]
    assert 2 * SECOND < gaps[0] * 50 * MS < 2.2 * SECOND
    assert 7 <= len(gaps) <= 9
    assert all(value.energy_j is None for value in told[gaps[0] :] if not value.gap)
    assert all(math.isnan(value.energy_j or 0.0) for value in told if value.gap)
    again = made.take(10_001_000, 10 * SECOND, 300.0)
    assert again.gap
    assert not made.take(10_031_000, 10 * SECOND + 100 * MS, 300.0).gap


def test_standing_still_without_power_is_nothing_special() -> None:
    for power in (None, 0.0):
        made = counter()
        assert not any(made.take(10_000_000, k * 100 * MS, power).gap for k in range(1, 100))


@given(
    steps=st.lists(st.integers(-2_000_000, 80_000), min_size=1, max_size=60),
    start=st.integers(0, 10**9),
)
@settings(max_examples=60, deadline=None)
def test_the_energy_never_falls_and_never_exceeds_what_the_counter_gained(
    steps: list[int], start: int
) -> None:
    made, raw, last, gained = EnergyCounter(100 * MS, ceiling_w=840.0), start, 0.0, 0
    made.take(raw, 0, 300.0)
    for k, step in enumerate(steps, start=1):
        new = max(0, raw + step)
        gained += new - raw if new >= raw else new
        raw = new
        value = made.take(raw, k * 100 * MS, 300.0).energy_j
        if value is not None and not math.isnan(value):
            assert last <= value <= gained / 1e3 + 1e-6
            last = value
