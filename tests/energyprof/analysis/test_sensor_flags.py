from dataclasses import replace

import numpy as np
import pytest

from energyprof.analysis.attribution import attribute
from energyprof.analysis.cross_check import cross_check
from energyprof.analysis.findings import Findings
from energyprof.analysis.sensor_flags import (
    counter_power_gap,
    counter_troubles,
    domain_incomplete,
    power_range_assumed,
    power_range_broken,
    sampling_gap,
)
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Provenance, Severity


@pytest.fixture
def steady(sim):
    return sim.Truth(np.array([0.0]), np.array([200.0]), 20.0)


@pytest.fixture
def findings(sim):
    def build(*channels, sensors=None, window_s=(1, 19)):
        trace = sim.trace(window_s=window_s, channels=channels, duration_s=20)
        attribution = attribute(trace, [sim.sensor()] if sensors is None else sensors)
        report = replace(sim.draft(), cross_check=cross_check(attribution, trace.window_ns))
        return Findings(trace=trace, attribution=attribution, report=report)

    return build


def test_a_sound_run_raises_none_of_them(sim, steady, findings):
    found = findings(sim.counter(steady), sim.power(steady))
    for check in (
        sampling_gap,
        counter_troubles,
        counter_power_gap,
        domain_incomplete,
        power_range_assumed,
        power_range_broken,
    ):
        assert list(check(found)) == []


def test_a_gap_in_the_sampling_is_told_with_its_length(sim, findings):
    truth = sim.random_truth(np.random.default_rng(0), 20.0)
    (flag,) = sampling_gap(findings(sim.counter(truth, sim.Watch(gaps_s=[(5.0, 8.0)]))))
    assert flag.code == "sampling-gap"
    assert flag.severity is Severity.WARNING
    assert flag.value == pytest.approx(3 / 18, abs=0.02)
    assert "3." in flag.message
    assert "filled in" in flag.message


def test_polls_that_stopped_without_a_word_are_a_gap_too(sim, findings):
    truth = sim.random_truth(np.random.default_rng(0), 20.0)
    channel = sim.counter(truth, sim.Watch(gaps_s=[(5.0, 8.0)]))
    silent = replace(channel, gap_ns=np.empty((0, 2), np.int64))
    (flag,) = sampling_gap(findings(silent))
    assert flag.code == "sampling-gap"
    assert "its counter went on" in flag.message


def test_a_sensor_that_never_came_back_is_a_gap_until_the_window_closes(sim, steady, findings):
    (flag,) = sampling_gap(findings(sim.counter(steady, end_s=10.0)))
    assert flag.value == pytest.approx(0.5, abs=0.02)


def test_a_counter_that_stands_still_for_good_is_told_apart_from_an_unread_device(sim, steady, findings):
    (flag,) = sampling_gap(findings(sim.counter(steady, end_s=10.0), sim.power(steady)))
    assert flag.value == pytest.approx(0.5, abs=0.02)
    assert "The energy counter of gpu:0 told nothing" in flag.message
    assert "its power readings took its place" in flag.message


def test_a_mean_over_a_second_without_a_counter_is_no_silence(sim, findings):
    truth = sim.random_truth(np.random.default_rng(0), 20.0)
    info = sim.sensor(source=Provenance.SAMPLED, window_s=0.025)
    watch = sim.Watch(window_s=1.0)
    mean = replace(sim.power(truth, watch), kind=ChannelKind.POWER_AVERAGE)
    assert list(sampling_gap(findings(mean, sensors=[info]))) == []
    silent = replace(sim.power(truth, replace(watch, gaps_s=[(6.0, 11.0)])), kind=ChannelKind.POWER_AVERAGE)
    (flag,) = sampling_gap(findings(silent, sensors=[info]))
    assert flag.value == pytest.approx(5 / 18, abs=0.08)
    assert "filled in" in flag.message


@pytest.mark.parametrize(
    ("at_s", "closes_s"),
    [
        ([0.998, 1.0, 1.302, 1.306], 1.302),
        ([0.981, 1.0, 1.512, 1.512], 1.512),
        ([0.978, 1.0, 1.981, 2.008, 2.008], 2.008),
        ([0.992, 1.0, 1.987, 2.487, 2.51, 2.511], 2.51),
    ],
)
def test_a_model_is_not_silent_in_a_window_of_few_readings(sim, findings, at_s, closes_s):
    """Times as the sampler read them in windows of 0.3 to 1.5 s: both ends are read besides."""
    told = sim.readings(
        ChannelKind.ENERGY, 50 * np.array(at_s), at_s, domain="cpu", unit="J", sensor="cpu-model"
    )
    info = sim.sensor("cpu-model", ("cpu",), source=Provenance.ESTIMATED, refresh_s=0.01)
    assert list(sampling_gap(findings(told, sensors=[info], window_s=(1.0, closes_s)))) == []


def test_a_model_that_was_not_read_for_long_is_silent(sim, findings):
    at_s = [*np.arange(0.5, 5.0, 0.5), *np.arange(9.0, 19.6, 0.5)]
    told = sim.readings(
        ChannelKind.ENERGY, 50 * np.array(at_s), at_s, domain="cpu", unit="J", sensor="cpu-model"
    )
    info = sim.sensor("cpu-model", ("cpu",), source=Provenance.ESTIMATED, refresh_s=0.01)
    (flag,) = sampling_gap(findings(told, sensors=[info]))
    assert flag.value == pytest.approx(4.5 / 18)


def test_a_fast_sensor_that_is_read_at_some_of_its_refreshes_is_not_silent(sim, steady, findings):
    watch = sim.Watch(refresh_s=0.005, poll_s=0.1)
    assert (
        list(sampling_gap(findings(sim.counter(steady, watch), sensors=[sim.sensor(refresh_s=0.005)]))) == []
    )


def test_a_short_gap_is_only_said(sim, findings):
    truth = sim.random_truth(np.random.default_rng(0), 20.0)
    (flag,) = sampling_gap(findings(sim.counter(truth, resets_s=[9.0])))
    assert flag.severity is Severity.INFO


def test_a_reset_is_told_apart_from_a_freeze(sim, steady, findings):
    (reset,) = counter_troubles(findings(sim.counter(steady, resets_s=[6.0, 12.0])))
    assert (reset.code, reset.value) == ("counter-reset", 2)
    (frozen,) = counter_troubles(findings(sim.counter(steady, frozen_s=(6.0, 12.0)), sim.power(steady)))
    assert frozen.code == "counter-frozen"
    assert frozen.value == pytest.approx(6, abs=0.3)


def test_breaks_outside_of_the_window_are_not_its_business(sim, steady, findings):
    assert list(counter_troubles(findings(sim.counter(steady, resets_s=[6.0]), window_s=(8, 19)))) == []


def test_a_counter_that_disagrees_with_its_power_readings_is_a_warning(sim, steady, findings):
    half = sim.Truth(steady.start_s, steady.watts * 0.57, steady.end_s)
    (flag,) = counter_power_gap(findings(sim.counter(steady), sim.power(half)))
    assert flag.code == "counter-power-gap"
    assert flag.value == pytest.approx(-0.43, abs=0.01)
    assert "kJ" in flag.message


def test_power_readings_that_see_a_quarter_may_differ_by_chance(sim, findings):
    rng = np.random.default_rng(3)
    truth = sim.random_truth(rng, 20.0, shortest_s=0.3, longest_s=1.5)
    watch = sim.Watch(window_s=0.025)
    info = sim.sensor(window_s=0.025)
    found = findings(sim.counter(truth), sim.power(truth, watch), sensors=[info])
    assert list(counter_power_gap(found)) == []


def test_a_package_that_gave_nothing_is_an_error(sim, steady, findings):
    silent = sim.counter(steady, domain="cpu", sensor="rapl", name="energy:package-1", end_s=0.004)
    whole = sim.counter(steady, domain="cpu", sensor="rapl")
    (flag,) = domain_incomplete(findings(whole, silent, sensors=[sim.sensor("rapl", ("cpu",))]))
    assert (flag.code, flag.severity) == ("domain-incomplete", Severity.ERROR)
    assert "cpu/energy:package-1" in flag.message


def test_a_ceiling_that_nobody_stated_is_said_to_be_assumed(sim, steady, findings):
    info = sim.sensor(power_ceiling_w=None)
    (flag,) = power_range_assumed(findings(sim.counter(steady), sensors=[info]))
    assert flag.code == "power-range-assumed"
    assert flag.value == pytest.approx(300, rel=0.03)


def test_a_range_that_readings_prove_wrong_is_a_warning(sim, steady, findings):
    (flag,) = power_range_broken(findings(sim.counter(steady), sensors=[sim.sensor(power_ceiling_w=150.0)]))
    assert flag.code == "power-range-broken"
    assert flag.value == pytest.approx(240, rel=0.03)
    (low,) = power_range_broken(findings(sim.counter(steady), sensors=[sim.sensor(power_floor_w=230.0)]))
    assert "230 W to 400 W" in low.message
