import numpy as np
import pytest

from energyprof.analysis.attribution import attribute
from energyprof.analysis.findings import Findings
from energyprof.analysis.resolution_flags import (
    aliasing,
    ill_conditioned,
    sensor_delay,
    steps_shorter_than_refresh,
    window_too_short,
)
from energyprof.record.model import Provenance, Severity

TWO = [("busy", 0.035, 350), ("waiting", 0.015, 80)]


@pytest.fixture
def findings(sim):
    def build(phases=TWO, steps=200, sensor=None, power=False, **schedule):
        truth, marks = sim.schedule(np.random.default_rng(0), phases, steps, open_s=1.0, **schedule)
        watch = sim.Watch(phase_s=0.033, wobble_s=0.0003, window_s=0.025 if power else 0.1)
        channels = [sim.power(truth, watch) if power else sim.counter(truth, watch)]
        trace = sim.trace(marks, channels, duration_s=truth.end_s)
        attribution = attribute(trace, [sensor or sim.sensor()])
        return Findings(trace=trace, attribution=attribution, report=sim.draft())

    return build


def test_steps_locked_to_the_refresh_are_flagged_with_their_phases(findings):
    (flag,) = ill_conditioned(findings(extra_w=5.0))
    assert flag.code == "ill-conditioned"
    assert "waiting" in flag.message
    assert "100 ms" in flag.message
    assert "--dither" in flag.advice
    assert flag.value > 100


def test_steps_of_irregular_length_are_not(findings):
    assert list(ill_conditioned(findings(jitter=0.1, extra_w=5.0))) == []


def test_one_phase_cannot_be_mixed_up(findings):
    assert list(ill_conditioned(findings([("train", 0.05, 300)]))) == []


def test_a_window_of_few_refreshes_is_too_short(findings):
    (flag,) = window_too_short(findings(steps=10))
    assert (flag.code, flag.severity) == ("window-too-short", Severity.WARNING)
    assert flag.value == pytest.approx(5, abs=0.2)
    assert list(window_too_short(findings(steps=40))) == []


def test_steps_shorter_than_the_refresh_say_how_to_read_their_energy(findings):
    (flag,) = steps_shorter_than_refresh(findings(jitter=0.1))
    assert flag.severity is Severity.INFO
    assert "49.5 ms" in flag.message
    assert "regression" in flag.message
    (short,) = steps_shorter_than_refresh(findings(steps=6))
    assert "only within its bounds" in short.message
    assert list(steps_shorter_than_refresh(findings([("train", 0.3, 300)], 30))) == []


def test_a_sensor_that_sees_a_quarter_of_the_time_warns_of_aliasing(sim, findings):
    info = sim.sensor(source=Provenance.SAMPLED, window_s=0.025)
    (flag,) = aliasing(findings(sensor=info, power=True, jitter=0.1))
    assert flag.code == "aliasing"
    assert "25% of the time" in flag.message
    assert 0 < flag.value < 0.2
    assert list(aliasing(findings())) == []


def test_work_that_is_later_than_its_marks_is_told(sim):
    phases = [("a", 0.025, 300), ("b", 0.035, 90)]
    truth, marks = sim.schedule(np.random.default_rng(1), phases, 600, open_s=1.0, jitter=0.15)
    late = sim.Truth(truth.start_s + np.where(truth.start_s > 0, 0.006, 0), truth.watts, truth.end_s)
    for power, told in ((late, 1), (truth, 0)):
        trace = sim.trace(marks, [sim.counter(power, sim.Watch(phase_s=0.04))], duration_s=truth.end_s)
        found = Findings(trace=trace, attribution=attribute(trace, [sim.sensor()]), report=sim.draft())
        flags = list(sensor_delay(found))
        assert len(flags) == told
        assert all("ms later than the marks say" in flag.message for flag in flags)
