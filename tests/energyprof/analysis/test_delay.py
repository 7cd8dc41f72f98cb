import numpy as np
import pytest

from energyprof.analysis.delay import MOST_DELAY_S, Prior, better_delay
from energyprof.analysis.design_matrix import phase_seconds_between
from energyprof.analysis.domains import energy_curve
from energyprof.analysis.equations import Intervals, equations
from energyprof.analysis.refreshes import PowerRange
from energyprof.analysis.regression import phase_powers
from energyprof.analysis.sensor_regression import sensor_phase_powers
from energyprof.analysis.windows import window_segments

WATTS = np.array([300.0, 100.0, 200.0])


def system(sim, delay_s, spans=None, noise_j=0.05):
    """Return equations of intervals that are ``delay_s`` later than they seem."""
    rng = np.random.default_rng(0)
    spans = spans or [(float(rng.uniform(0.008, 0.04)), k % 3) for k in range(2000)]
    segments = sim.in_phases(spans, "abc")
    ends = np.arange(0.5, 40.0, 0.1)
    energy = phase_seconds_between(segments, ends + delay_s) @ WATTS
    energy = energy + noise_j * rng.normal(size=len(energy))
    half = np.full(len(energy), 0.0002)
    start, end = ends[:-1], ends[1:]
    found = Intervals(start_s=start, end_s=end, energy_j=energy, start_half_s=half, end_half_s=half)
    return equations(found, segments)


@pytest.mark.parametrize("delay_s", [-0.002, -0.0003, 0.0, 0.0003, 0.002])
def test_the_energies_tell_how_late_the_sensor_is(sim, delay_s):
    found = phase_powers(system(sim, delay_s), PowerRange(floor_w=0, ceiling_w=400))
    assert found.delay_s == pytest.approx(delay_s, abs=0.00015)
    assert found.power_w == pytest.approx(WATTS, abs=2.5)


@pytest.mark.parametrize("delay_s", [-0.004, 0.0006, 0.009])
def test_a_sensor_that_lags_is_followed_to_where_it_is(sim, delay_s):
    phases = [("a", 0.025, 300), ("b", 0.035, 90), ("c", 0.02, 180)]
    truth, marks = sim.schedule(np.random.default_rng(1), phases, 600, open_s=1.0, jitter=0.15, extra_w=3.0)
    late = sim.Truth(truth.start_s + np.where(truth.start_s > 0, delay_s, 0), truth.watts, truth.end_s)
    trace = sim.trace(marks, [sim.counter(late, sim.Watch(phase_s=0.04))], duration_s=truth.end_s)
    part = energy_curve("gpu:0", trace, [sim.sensor()]).parts[0]
    found = sensor_phase_powers(part, window_segments(trace))
    assert found.delay_s == pytest.approx(-delay_s, abs=0.0005)
    assert found.power_w[:3] == pytest.approx([300, 90, 180], abs=4)


def test_where_steps_are_locked_to_the_refresh_the_delay_stays_at_none(sim):
    locked = system(sim, 0.001, [(0.04, 0), (0.03, 1), (0.03, 2)] * 500)
    assert abs(phase_powers(locked, PowerRange(floor_w=0, ceiling_w=400)).delay_s) < 0.002


def test_a_delay_beyond_the_first_order_is_not_believed(sim):
    prior = Prior(mean_w=200.0, ridge=1e-9, delay_ridge=1e-9)
    assert abs(better_delay(system(sim, 0.03), WATTS, 0.0, prior)) <= MOST_DELAY_S
