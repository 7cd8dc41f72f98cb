import numpy as np
import pytest

from energyprof.analysis.design_matrix import phase_seconds_between
from energyprof.analysis.drift import drift_factors, rescaled
from energyprof.analysis.equations import Intervals, equations


def equations_of(sim, factor, noise_j=0.3):
    rng = np.random.default_rng(0)
    segments = sim.in_phases([(float(rng.uniform(0.01, 0.09)), k % 2) for k in range(2000)], ["a", "b"])
    ends = np.arange(0.0, 90.0, 0.1)
    watts = np.array([300.0, 100.0])
    energy = phase_seconds_between(segments, ends) @ watts * factor(ends[:-1] / 90)
    energy = energy + noise_j * rng.normal(size=len(energy))
    half = np.full(len(energy), 0.0005)
    start, end = ends[:-1], ends[1:]
    intervals = Intervals(start_s=start, end_s=end, energy_j=energy, start_half_s=half, end_half_s=half)
    # no delay: the columns of the change count nothing
    return equations(intervals, segments), np.append(watts, [0.0, 0.0])


def test_a_device_that_warms_up_is_seen_to_draw_more(sim):
    found, watts = equations_of(sim, lambda share: 0.95 + 0.1 * share)
    factors = drift_factors(found, watts)
    assert factors[0] == pytest.approx(0.953, abs=0.005)
    assert factors[-1] == pytest.approx(1.047, abs=0.005)


def test_noise_is_no_drift(sim):
    found, watts = equations_of(sim, lambda share: np.ones_like(share))
    assert (drift_factors(found, watts) == 1).all()


def test_rescaled_equations_are_those_of_a_device_that_does_not_drift(sim):
    found, watts = equations_of(sim, lambda share: 0.95 + 0.1 * share, noise_j=0.0)
    flat = rescaled(found, drift_factors(found, watts))
    fitted = np.linalg.solve(flat.gram.sum(axis=0)[:2, :2], flat.moment.sum(axis=0)[:2])
    assert fitted == pytest.approx(watts[:2], rel=0.003)
