from dataclasses import replace

import numpy as np
import pytest

from energyprof.analysis.counter import counter_readings, counter_refreshes
from energyprof.analysis.power_curve import power_curve
from energyprof.analysis.refreshes import PowerRange

LIMITS = PowerRange(floor_w=20.0, ceiling_w=400.0)


@pytest.fixture
def steady(sim):
    return sim.Truth(np.array([0.0]), np.array([250.0]), 12.0)


def test_every_change_is_a_refresh_with_its_increment(sim):
    truth = sim.random_truth(np.random.default_rng(1), 5.0)
    readings = counter_readings(sim.counter(truth), 0.1, 0.0)
    found = counter_refreshes(readings, None, LIMITS)
    assert not found.gap.any()
    assert found.exact
    true = np.diff(truth.energy_j(0.013 + 0.1 * np.arange(-1, len(readings.energy_j) - 1)))
    assert found.energy_j == pytest.approx(true, abs=0.002)


def test_the_first_value_may_be_older_than_the_first_poll(sim, steady):
    channel = sim.counter(steady)
    channel.since_ns[0] = -500_000_000  # the sampler knows nothing from before
    assert counter_readings(channel, 0.1, 0.0).since_s[0] == pytest.approx(-0.125, abs=1e-3)


def test_a_first_value_that_is_known_to_be_fresh_is_taken_as_fresh(sim, steady):
    channel = sim.counter(steady)
    channel.since_ns[0] = channel.t_ns[0] - 1_000_000
    readings = counter_readings(channel, 0.1, 0.0)
    assert readings.until_s[0] - readings.since_s[0] == pytest.approx(1e-3)


def test_a_reset_is_one_gap_and_what_follows_is_exact(sim, steady):
    readings = counter_readings(sim.counter(steady, resets_s=[6.0]), 0.1, 0.0)
    found = counter_refreshes(readings, None, LIMITS)
    assert found.gap.sum() == 1
    assert found.energy_j[found.gap] == pytest.approx(25, rel=0.1)
    assert found.energy_j[~found.gap][1:] == pytest.approx(25, abs=0.01)
    assert (found.low_j[found.gap] < 25).all()
    assert (found.high_j[found.gap] > 25).all()


def test_a_frozen_counter_is_a_gap_filled_in_from_power(sim):
    truth = sim.Truth(np.array([0.0, 6.0]), np.array([250.0, 120.0]), 12.0)
    channel = sim.counter(truth, frozen_s=(3.0, 9.0))
    power = power_curve(sim.power(truth), 0.1, 0.1, 0.0)
    found = counter_refreshes(counter_readings(channel, 0.1, 0.0), power, LIMITS)
    assert found.energy_j[found.gap].sum() == pytest.approx(3 * 250 + 3 * 120, rel=0.05)


def test_a_freeze_that_nobody_told_of_is_found_by_the_power_readings(sim, steady):
    told = sim.counter(steady, frozen_s=(3.0, 9.0))
    untold = replace(told, gap_ns=np.empty((0, 2), np.int64))
    power = power_curve(sim.power(steady), 0.1, 0.1, 0.0)
    found = counter_refreshes(counter_readings(untold, 0.1, 0.0), power, LIMITS)
    assert found.energy_j.sum() == pytest.approx(12 * 250, rel=0.02)
    assert found.gap.any()


def test_a_counter_that_went_on_counting_through_a_gap_is_believed(sim, steady):
    channel = sim.counter(steady, sim.Watch(gaps_s=[(3.0, 4.0)]))
    found = counter_refreshes(counter_readings(channel, 0.1, 0.0), None, LIMITS)
    assert found.gap.any()
    assert found.energy_j.sum() == pytest.approx(12 * 250, rel=0.02)


def test_a_counter_polled_more_slowly_than_it_moves_goes_by_its_polls(sim):
    truth = sim.random_truth(np.random.default_rng(2), 10.0, longest_s=1.0)
    readings = counter_readings(sim.counter(truth, sim.Watch(refresh_s=0.001, poll_s=0.1)), 0.001, 0.0)
    assert readings.refresh_s == pytest.approx(0.1, rel=0.1)
    assert not counter_refreshes(readings, None, LIMITS).gap.any()


def test_a_lag_moves_refreshes_back_in_time(sim, steady):
    now = counter_readings(sim.counter(steady), 0.1, 0.0)
    late = counter_readings(sim.counter(steady), 0.1, 0.05)
    assert now.until_s - late.until_s == pytest.approx(0.05)


def test_a_single_reading_says_no_energy(sim, steady):
    channel = sim.counter(steady, end_s=0.005)
    assert len(counter_readings(channel, 0.1, 0.0).energy_j) == 1
