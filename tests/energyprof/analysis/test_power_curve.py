import numpy as np
import pytest

from energyprof.analysis.power_curve import power_curve


def test_power_that_stands_still_is_unfolded_into_its_refreshes(sim):
    truth = sim.Truth(np.array([0.0, 2.0]), np.array([100.0, 250.0]), 4.0)
    curve = power_curve(sim.power(truth), 0.1, 0.1, 0.0)
    assert np.diff(curve.at_s) == pytest.approx(0.1, abs=0.005)
    assert not curve.silent.any()


def test_steady_power_gives_its_full_energy_however_far_it_is_asked_for(sim):
    truth = sim.Truth(np.array([0.0]), np.array([250.0]), 8.0)
    curve = power_curve(sim.power(truth), 0.1, 0.1, 0.0)
    energy = np.diff(curve.cumulative_j(np.array([-1.0, 0.0, 8.0, 9.0])))
    assert energy == pytest.approx([250, 2000, 250])


def test_a_value_is_not_held_over_a_gap(sim):
    truth = sim.Truth(np.array([0.0]), np.array([250.0]), 8.0)
    curve = power_curve(sim.power(truth, sim.Watch(gaps_s=[(3.0, 5.0)])), 0.1, 0.1, 0.0)
    silent = np.flatnonzero(curve.silent)
    assert len(silent) == 1
    assert 1.9 < curve.at_s[silent[0] + 1] - curve.at_s[silent[0]] < 3.1


def test_a_value_read_once_before_a_long_pause_is_not_taken_to_have_stood(sim):
    truth = sim.Truth(np.array([0.0]), np.array([250.0]), 2.0)
    channel = sim.power(truth)
    late = sim.power(sim.Truth(np.array([0.0, 6.0]), np.array([250.0, 90.0]), 8.0))
    k = int(np.searchsorted(late.t_ns, 6_100_000_000))
    late.since_ns[k] = late.t_ns[k] - 125_000_000  # not polled for a while: as old as a value can be
    joined = type(channel)(
        name="p",
        domain="gpu:0",
        kind=channel.kind,
        sensor="s",
        unit="W",
        t_ns=np.append(channel.t_ns, late.t_ns[k:]),
        since_ns=np.append(channel.since_ns, late.since_ns[k:]),
        value=np.append(channel.value, late.value[k:]),
    )
    assert power_curve(joined, 0.1, 0.1, 0.0).silent.any()


def test_the_refresh_is_taken_from_the_readings_where_it_is_not_known(sim):
    truth = sim.random_truth(np.random.default_rng(0), 5.0)
    assert power_curve(sim.power(truth), None, None, 0.0).refresh_s == pytest.approx(0.1, rel=0.02)


def test_a_lag_moves_readings_back_in_time(sim):
    truth = sim.Truth(np.array([0.0, 2.0]), np.array([100.0, 300.0]), 4.0)
    late = sim.Truth(truth.start_s + np.array([0.0, 0.3]), truth.watts, 4.0)
    curve = power_curve(sim.power(late), 0.1, 0.1, 0.3)
    assert np.diff(curve.cumulative_j(np.array([1.0, 3.0])))[0] == pytest.approx(400, abs=10)


def test_a_moving_mean_stands_for_the_middle_of_its_window(sim):
    truth = sim.Truth(np.array([0.0, 5.0]), np.array([100.0, 300.0]), 10.0)
    curve = power_curve(sim.power(truth, kind="average", window_s=1.0), 0.1, 1.0, 0.0)
    assert curve.moving_mean
    assert np.diff(curve.cumulative_j(np.array([3.0, 7.0])))[0] == pytest.approx(800, rel=0.01)
