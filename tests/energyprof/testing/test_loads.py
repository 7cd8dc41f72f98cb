from __future__ import annotations

import numpy as np
import pytest

from energyprof.testing.loads import TRAINING_STEP, random_training, square_wave, steady, training

SECOND_NS = 10**9


def test_steady_power_takes_its_watts_all_the_time_and_idles_around() -> None:
    power = steady(300.0, 2.0).power(SECOND_NS, idle_w=20.0)
    assert power.energy_j(0, SECOND_NS) == 20.0
    assert power.energy_j(SECOND_NS, 3 * SECOND_NS) == 600.0
    assert power.energy_j(3 * SECOND_NS, 5 * SECOND_NS) == 40.0


def test_a_training_step_has_its_phases_in_order() -> None:
    load = training(TRAINING_STEP, 1.0, name="steps")
    assert load.phases == ("unattributed", "train/compute", "train/data")
    assert load.phase[:4].tolist() == [1, 2, 1, 2]
    assert load.step[:4].tolist() == [0, 0, 1, 1]
    assert load.start_ns[:3].tolist() == [0, 35_000_000, 50_000_000]
    assert load.total_ns == SECOND_NS
    assert load.power(0, 0.0).energy_j(0, SECOND_NS) == pytest.approx(20 * (0.035 * 350 + 0.015 * 80))


def test_a_square_wave_spends_its_duty_at_the_high_level() -> None:
    power = square_wave(350, 80, 0.1, 10.0, duty=0.25).power(0, 0.0)
    assert power.energy_j(0, 10 * SECOND_NS) == pytest.approx(10 * (0.25 * 350 + 0.75 * 80))


def test_jitter_and_spread_vary_the_steps_around_their_shape_and_follow_the_seed() -> None:
    loads = [training(TRAINING_STEP, 60.0, name="", jitter=0.05, spread=0.1, seed=seed) for seed in (1, 1, 2)]
    assert np.array_equal(loads[0].duration_ns, loads[1].duration_ns)
    assert not np.array_equal(loads[0].duration_ns, loads[2].duration_ns)
    compute = loads[0].phase == 1
    assert loads[0].duration_ns[compute].mean() == pytest.approx(35e6, rel=0.01)
    assert loads[0].duration_ns[compute].std() == pytest.approx(0.05 * 35e6, rel=0.1)
    assert loads[0].power_mw[compute].std() == pytest.approx(0.1 * 350e3, rel=0.1)


@pytest.mark.parametrize("seed", range(20))
def test_a_random_schedule_stays_within_its_limits(seed: int) -> None:
    load = random_training(seed, 5.0)
    assert 3 <= len(load.phases) <= 6
    assert set(np.unique(load.phase)) == set(range(1, len(load.phases)))
    assert load.duration_ns.min() >= 1000
    assert np.all(np.diff(load.step) >= 0)
