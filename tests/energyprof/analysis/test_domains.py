import numpy as np
import pytest

from energyprof.analysis.domains import energy_curve, energy_curves, energy_domains, worst
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Provenance
from energyprof.record.trace import Channel


@pytest.fixture
def steady(sim):
    return sim.Truth(np.array([0.0]), np.array([100.0]), 5.0)


def energy_of(sim, channels, sensors, domain="gpu:0"):
    curve = energy_curve(domain, sim.trace(window_s=(1, 4), duration_s=5, channels=channels), sensors)
    return curve, curve.energy_between(sim.ns([1.0]), sim.ns([4.0]))


def test_domains_come_in_the_order_in_which_they_are_read(sim, steady):
    channels = [sim.counter(steady, domain=d, sensor=d) for d in ("dram", "gpu:10", "cpu", "gpu:2")]
    sensors = [sim.sensor("x", ("gpu:0",))]
    assert energy_domains(channels, sensors) == ("gpu:0", "gpu:2", "gpu:10", "cpu", "dram")


def test_a_sum_carries_the_worst_provenance():
    assert worst([Provenance.COUNTER, Provenance.ESTIMATED, Provenance.SAMPLED]) is Provenance.ESTIMATED
    assert worst([]) is Provenance.MISSING


def test_the_counters_of_two_packages_add_up(sim, steady):
    other = sim.Truth(np.array([0.0]), np.array([60.0]), 5.0)
    both = [
        sim.counter(steady, domain="cpu", sensor="rapl", name="energy"),
        sim.counter(other, domain="cpu", sensor="rapl", name="energy:package-1"),
    ]
    curve, found = energy_of(sim, both, [sim.sensor("rapl", ("cpu",))], "cpu")
    assert len(curve.parts) == 2
    assert found.value[0] == pytest.approx(480, rel=0.005)


def test_a_counter_goes_before_power_readings_and_these_before_a_model(sim, steady):
    wrong = sim.Truth(np.array([0.0]), np.array([9.0]), 5.0)
    counter, power = sim.counter(steady), sim.power(steady, sensor="other")
    model = sim.power(wrong, sensor="model")
    sensors = [
        sim.sensor("nvml:gpu:0"),
        sim.sensor("other", source=Provenance.SAMPLED),
        sim.sensor("model", source=Provenance.ESTIMATED),
    ]
    assert energy_of(sim, [model, power, counter], sensors)[0].source is Provenance.COUNTER
    assert energy_of(sim, [model, power], sensors)[0].source is Provenance.SAMPLED
    assert energy_of(sim, [model], sensors)[0].source is Provenance.ESTIMATED


def test_the_bounds_of_a_model_are_its_whole_range(sim, steady):
    at = np.arange(51) * 0.1
    model = Channel(
        name="cpu/energy",
        domain="cpu",
        kind=ChannelKind.ENERGY,
        sensor="cpu-model",
        unit="J",
        t_ns=sim.ns(at),
        since_ns=sim.ns(at - 0.01),
        value=steady.energy_j(at),
    )
    info = sim.sensor("cpu-model", ("cpu",), source=Provenance.ESTIMATED, refresh_s=0.01, window_s=None)
    curve, found = energy_of(sim, [model], [info], "cpu")
    assert curve.source is Provenance.ESTIMATED
    assert found.value[0] == pytest.approx(300, rel=1e-6)
    assert found.low[0] == pytest.approx(3 * 20, rel=1e-6)
    assert found.high[0] == pytest.approx(3 * 400, rel=1e-6)


def test_a_counter_that_gave_one_reading_falls_back_on_power(sim, steady):
    stuck = sim.counter(steady, end_s=0.005)
    curve, found = energy_of(sim, [stuck, sim.power(steady)], [sim.sensor()])
    assert curve.source is Provenance.SAMPLED
    assert found.value[0] == pytest.approx(300, rel=0.005)


def test_nothing_usable_is_nothing_and_not_zero(sim, steady):
    trace = sim.trace(window_s=(1, 4), channels=[sim.counter(steady, end_s=0.005)])
    assert energy_curves(trace, [sim.sensor(), sim.sensor("rapl", ("cpu",))]) == {"gpu:0": None, "cpu": None}


def test_the_long_average_is_integrated_where_instant_power_sees_only_part(sim):
    truth = sim.Truth(0.1 * np.arange(100), np.tile([350.0, 80.0], 50), 10.0)
    watch = sim.Watch(refresh_s=0.2, window_s=0.05, phase_s=0.06)
    channels = [sim.power(truth, watch), sim.power(truth, watch, kind="average", window_s=1.0)]
    info = sim.sensor(source=Provenance.SAMPLED, refresh_s=0.2, window_s=0.05)
    curve = energy_curve("gpu:0", sim.trace(window_s=(2, 8), duration_s=10, channels=channels), [info])
    found = curve.energy_between(sim.ns([2.0]), sim.ns([8.0]))
    assert found.value[0] == pytest.approx(6 * 215, rel=0.02)


def test_without_a_known_ceiling_it_is_taken_from_the_readings_and_said_to_be_assumed(sim, steady):
    curve, found = energy_of(sim, [sim.counter(steady)], [sim.sensor(power_ceiling_w=None)])
    assert curve.parts[0].limits.assumed
    assert curve.parts[0].limits.ceiling_w == pytest.approx(150, rel=0.05)
    assert found.low[0] <= 300 <= found.high[0]


def test_a_sensor_that_nobody_described_is_used_by_what_its_channels_are(sim, steady):
    assert energy_of(sim, [sim.counter(steady)], [])[0].source is Provenance.COUNTER
    assert energy_of(sim, [sim.power(steady)], [])[0].source is Provenance.SAMPLED
