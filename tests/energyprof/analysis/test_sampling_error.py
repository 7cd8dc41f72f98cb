import numpy as np
import pytest

from energyprof.analysis.power_curve import power_curve
from energyprof.analysis.sampling_error import sampling_error

WINDOW = (0, 30_000_000_000)


def test_readings_that_see_all_the_time_have_no_sampling_error(sim):
    truth = sim.random_truth(np.random.default_rng(0), 30.0)
    assert sampling_error(power_curve(sim.power(truth), 0.1, 0.1, 0.0), WINDOW) is None


def test_the_interval_covers_the_true_energy(sim):
    hits, widths = [], []
    for seed in range(60):
        truth = sim.random_truth(np.random.default_rng(seed), 30.0, longest_s=0.3)
        curve = power_curve(sim.power(truth, sim.Watch(window_s=0.025, seed=seed)), 0.1, 0.025, 0.0)
        error = sampling_error(curve, WINDOW)
        mean = curve.power_w.mean()
        hits.append(abs(mean - truth.between(0.0, 30.0) / 30) <= error.relative * mean)
        widths.append(error.relative)
    assert np.mean(hits) > 0.88
    assert np.mean(widths) < 0.12


def test_a_single_reading_tells_nothing_of_its_error(sim):
    truth = sim.Truth(np.array([0.0]), np.array([100.0]), 0.05)
    curve = power_curve(sim.power(truth, sim.Watch(window_s=0.025)), 0.1, 0.025, 0.0)
    assert sampling_error(curve, (0, 50_000_000)).relative == pytest.approx(1)
