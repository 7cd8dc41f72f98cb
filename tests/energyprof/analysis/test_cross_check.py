import numpy as np
import pytest

from energyprof.analysis.attribution import attribute
from energyprof.analysis.cross_check import cross_check


def checked(sim, counter_truth, power_truth, power=None, **settings):
    channels = [sim.counter(counter_truth), power or sim.power(power_truth)]
    trace = sim.trace(window_s=(1, 9), channels=channels, duration_s=10)
    return cross_check(attribute(trace, [sim.sensor(**settings)]), trace.window_ns)


@pytest.fixture
def steady(sim):
    return lambda watts: sim.Truth(np.array([0.0]), np.array([watts]), 10.0)


def test_a_counter_and_its_power_readings_agree(sim):
    truth = sim.random_truth(np.random.default_rng(0), 10.0)
    (gap,) = checked(sim, truth, truth).counter_power
    assert gap.relative_gap == pytest.approx(0, abs=0.005)
    assert gap.domain == "gpu:0"


def test_a_counter_that_reads_too_much_is_seen(sim, steady):
    (gap,) = checked(sim, steady(174.0), steady(100.0)).counter_power
    assert gap.counter_j == pytest.approx(8 * 174, rel=0.03)
    assert gap.relative_gap == pytest.approx(100 / 174 - 1, abs=0.01)


def test_a_domain_without_power_readings_is_not_checked(sim, steady):
    trace = sim.trace(window_s=(1, 9), channels=[sim.counter(steady(100.0))], duration_s=10)
    found = cross_check(attribute(trace, [sim.sensor()]), trace.window_ns)
    assert found.counter_power == ()
    assert found.condition_number == pytest.approx(1)


def test_a_domain_without_a_counter_is_not_checked(sim, steady):
    trace = sim.trace(window_s=(1, 9), channels=[sim.power(steady(100.0))], duration_s=10)
    assert cross_check(attribute(trace, [sim.sensor(source="sampled")]), trace.window_ns).counter_power == ()


def test_the_average_is_the_witness_where_instant_power_sees_only_part(sim):
    truth = sim.Truth(0.05 * np.arange(200), np.tile([350.0, 80.0], 100), 10.0)
    watch = sim.Watch(window_s=0.025, phase_s=0.03)
    channels = [
        sim.counter(truth),
        sim.power(truth, watch),
        sim.power(truth, watch, kind="average", window_s=1.0),
    ]
    trace = sim.trace(window_s=(1, 9), channels=channels, duration_s=10)
    found = cross_check(attribute(trace, [sim.sensor(window_s=0.025)]), trace.window_ns)
    assert found.counter_power[0].relative_gap == pytest.approx(0, abs=0.01)
