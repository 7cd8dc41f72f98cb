"""A sensor that sees a quarter of the time, in step with the load: the marks know what it does not."""

import numpy as np
import pytest

from energyprof.analysis.attribution import attribute, window_quantity
from energyprof.analysis.domains import energy_curve
from energyprof.record.model import Provenance

TWO = [("busy", 0.035, 350), ("waiting", 0.015, 80)]


def run(sim, seed, window_s=0.025, drift=0.0, **schedule):
    rng = np.random.default_rng(seed)
    truth, marks = sim.schedule(rng, TWO, 600, open_s=1.0, drift=drift, **schedule)
    watch = sim.Watch(phase_s=float(rng.uniform(0, 0.1)), seed=seed, wobble_s=0.0003, window_s=window_s)
    trace = sim.trace(marks, [sim.power(truth, watch)], duration_s=truth.end_s)
    return truth, trace, sim.sensor(source=Provenance.SAMPLED, window_s=window_s)


def error(curve, trace, truth):
    found = window_quantity(curve, trace.window_ns)
    true = truth.between(*(ns * 1e-9 for ns in trace.window_ns))
    assert found.low <= true <= found.high
    return found.value / true - 1


@pytest.mark.parametrize("drift", [0.0, 0.1])
def test_what_was_not_seen_is_filled_in_by_what_the_run_was_doing(sim, drift):
    plain, filled = [], []
    for seed in range(8):
        truth, trace, info = run(sim, seed, jitter=0.02, extra_w=5.0, drift=drift)
        plain.append(error(energy_curve("gpu:0", trace, [info]), trace, truth))
        filled.append(error(attribute(trace, [info]).known["gpu:0"].curve, trace, truth))
    assert np.abs(filled).max() < 0.035
    assert np.std(filled) < 0.02
    assert np.std(filled) < 0.5 * np.std(plain)


def test_energy_outside_of_the_window_stays_as_it_was_read(sim):
    truth, trace, info = run(sim, 0, jitter=0.1)
    curve = attribute(trace, [info]).known["gpu:0"].curve
    found = curve.energy_between(sim.ns([0.2, truth.end_s - 0.8]), sim.ns([0.8, truth.end_s - 0.2]))
    assert found.value == pytest.approx(0.6 * 40, rel=0.02)


def test_a_sensor_that_sees_all_the_time_is_believed(sim):
    _, trace, info = run(sim, 0, window_s=0.1, jitter=0.1)
    before = energy_curve("gpu:0", trace, [info]).parts[0].estimate.at(np.array([10.0, 15.0]))
    after = attribute(trace, [info]).known["gpu:0"].curve.parts[0].estimate.at(np.array([10.0, 15.0]))
    assert np.diff(after) == pytest.approx(np.diff(before), rel=1e-9)
