import numpy as np
import pytest

from energyprof.analysis.power_curve import power_curve
from energyprof.analysis.power_refreshes import model_refreshes, power_refreshes
from energyprof.analysis.refreshes import PowerRange

LIMITS = PowerRange(floor_w=20.0, ceiling_w=400.0)


def found_for(sim, truth, watch, window_s, kind="instant"):
    channel = sim.power(truth, watch, kind=kind, window_s=window_s)
    return power_refreshes(power_curve(channel, watch.refresh_s, window_s, 0.0), LIMITS)


@pytest.fixture
def truth(sim):
    return sim.random_truth(np.random.default_rng(0), 10.0)


def true_increments(truth, found):
    edges = 0.013 + 0.1 * np.rint((found.at_s - 0.013) / 0.1)
    return np.diff(truth.energy_j(edges))


def test_windows_that_abut_leave_nothing_unseen(sim, truth):
    found = found_for(sim, truth, sim.Watch(), 0.1)
    true = true_increments(truth, found)
    assert found.energy_j == pytest.approx(true, rel=0.05)
    assert ((found.low_j + found.high_j) / 2)[1:] == pytest.approx(true[1:], rel=0.05)
    assert (found.high_j - found.low_j)[2:].mean() < 0.5


def test_what_a_short_window_did_not_see_may_be_anything_in_the_power_range(sim, truth):
    found = found_for(sim, truth, sim.Watch(), 0.025)
    true = true_increments(truth, found)
    assert (found.low_j <= true).all()
    assert (true <= found.high_j).all()
    assert (found.high_j - found.low_j).mean() == pytest.approx(0.075 * 380, rel=0.1)


def test_an_unknown_window_says_nothing_but_the_range(sim, truth):
    channel = sim.power(truth, sim.Watch(window_s=0.1))
    found = power_refreshes(power_curve(channel, 0.1, None, 0.0), LIMITS)
    assert (found.high_j - found.low_j).mean() == pytest.approx(0.1 * 380, rel=0.1)


def test_a_moving_mean_is_a_chain_of_windows_that_abut(sim, truth):
    found = found_for(sim, truth, sim.Watch(), 1.0, "average")
    assert len(found) == 11
    assert np.diff(found.at_s)[1:] == pytest.approx(1.0, abs=0.01)
    assert found.energy_j[1:] == pytest.approx(true_increments(truth, found)[1:], rel=0.02)


def test_a_silence_is_a_gap(sim, truth):
    found = found_for(sim, truth, sim.Watch(gaps_s=[(4.0, 6.0)]), 0.1)
    assert found.gap.sum() == 1
    assert (found.high_j - found.low_j)[found.gap] > 500


def test_a_model_is_bounded_by_its_range_and_nothing_else(sim, truth):
    curve = power_curve(sim.power(truth), 0.1, None, 0.0)
    found = model_refreshes(curve, LIMITS)
    length = np.diff(curve.until_s)
    assert found.low_j == pytest.approx(20 * length)
    assert found.high_j == pytest.approx(400 * length)
    assert (found.since_s == found.until_s).all()
