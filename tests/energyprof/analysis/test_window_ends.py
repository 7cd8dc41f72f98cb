import numpy as np
import pytest

from energyprof.analysis.attribution import attribute, window_quantity
from energyprof.analysis.domains import energy_curve

STEP = [("train", 0.05, 350)]


def errors(sim, phase_s, steps=100):
    truth, marks = sim.schedule(np.random.default_rng(0), STEP, steps, open_s=1.0)
    trace = sim.trace(marks, [sim.counter(truth, sim.Watch(phase_s=phase_s))], duration_s=truth.end_s)
    true = truth.between(*(ns * 1e-9 for ns in trace.window_ns))
    plain = window_quantity(energy_curve("gpu:0", trace, [sim.sensor()]), trace.window_ns)
    split = window_quantity(attribute(trace, [sim.sensor()]).known["gpu:0"].curve, trace.window_ns)
    assert split.low <= split.value <= split.high
    return abs(plain.value - true), abs(split.value - true)


@pytest.mark.parametrize("phase_s", [0.01, 0.03, 0.05, 0.08])
def test_the_refresh_in_which_the_window_opens_is_split_by_power_and_not_by_time(sim, phase_s):
    plain, split = errors(sim, phase_s)
    assert split < 0.7
    assert split < 0.3 * plain


def test_a_window_inside_one_refresh_is_left_as_it_is(sim):
    truth = sim.random_truth(np.random.default_rng(0), 5.0)
    trace = sim.trace(sim.in_phases([(5.0, 0)], ["x"]), [sim.counter(truth)], window_s=(2.03, 2.07))
    curve = attribute(trace, [sim.sensor()]).known["gpu:0"].curve
    plain = energy_curve("gpu:0", trace, [sim.sensor()])
    ends = sim.ns([2.03]), sim.ns([2.07])
    assert curve.energy_between(*ends).value == pytest.approx(plain.energy_between(*ends).value)


def test_a_window_that_opens_with_the_recording_has_nothing_to_split(sim):
    truth = sim.Truth(np.array([0.0]), np.array([200.0]), 5.0)
    marks = sim.in_phases([(0.05, 0)] * 100, ["train"], range(100))
    trace = sim.trace(marks, [sim.counter(truth)])
    found = window_quantity(attribute(trace, [sim.sensor()]).known["gpu:0"].curve, trace.window_ns)
    assert found.value == pytest.approx(1000, rel=0.005)
