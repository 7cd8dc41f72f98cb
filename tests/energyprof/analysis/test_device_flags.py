import numpy as np
import pytest

from energyprof.analysis.attribution import attribute
from energyprof.analysis.device_flags import foreign_process, input_bound, temperature_drift, throttled
from energyprof.analysis.findings import Findings
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import PhaseEnergy, Quantity, Severity

AT = np.arange(0.0, 12.0, 0.5)


@pytest.fixture
def findings(sim):
    def build(*channels, phases=()):
        trace = sim.trace(window_s=(1, 11), channels=channels, duration_s=12)
        nothing = Quantity.missing()
        told = [
            PhaseEnergy(name=name, seconds=seconds, count=1, energy_j=nothing) for name, seconds in phases
        ]
        report = sim.draft(phases=tuple(told))
        return Findings(trace=trace, attribution=attribute(trace, []), report=report)

    return build


@pytest.fixture
def state(sim):
    return lambda name, values, kind=ChannelKind.STATE: sim.readings(
        kind, np.broadcast_to(values, len(AT)), AT, name=name
    )


def test_heat_that_lowered_the_clocks_is_a_warning_with_its_share(findings, state):
    hot = np.where(AT > 6, 0x40, 0x0)
    (flag,) = throttled(findings(state("throttle_reasons", hot)))
    assert (flag.code, flag.severity) == ("throttled", Severity.WARNING)
    assert flag.value == pytest.approx(0.5, abs=0.06)
    assert "heat (hardware)" in flag.message
    assert "gpu:0" in flag.message


def test_a_card_at_its_power_limit_is_only_said(findings, state):
    (flag,) = throttled(findings(state("throttle_reasons", 0x4)))
    assert flag.severity is Severity.INFO
    assert "power limit" in flag.message


@pytest.mark.parametrize("bits", [0x0, 0x1, 0x2, 0x100])
def test_an_idle_card_or_set_clocks_are_no_throttling(findings, state, bits):
    assert list(throttled(findings(state("throttle_reasons", bits)))) == []


def test_what_was_outside_of_the_window_does_not_count(findings, state):
    assert list(throttled(findings(state("throttle_reasons", np.where(AT > 11, 0x40, 0))))) == []


def test_another_process_on_the_device_is_a_warning(findings, state):
    (flag,) = foreign_process(findings(state("other_processes", np.where(AT < 3, 2, 0))))
    assert flag.code == "foreign-process"
    assert "Up to 2 other" in flag.message
    assert list(foreign_process(findings(state("other_processes", 0)))) == []


def test_a_device_that_warms_up_is_a_warning(findings, state):
    (flag,) = temperature_drift(findings(state("temperature", 40 + 3 * AT, ChannelKind.TEMPERATURE)))
    assert flag.code == "temperature-drift"
    assert flag.value == pytest.approx(24, abs=3)
    steady = state("temperature", 60 + 0.5 * AT, ChannelKind.TEMPERATURE)
    assert list(temperature_drift(findings(steady))) == []


def test_a_device_that_waits_for_data_is_input_bound(findings, state):
    idle = state("utilisation", 0.31, ChannelKind.UTILISATION)
    (flag,) = input_bound(findings(idle, phases=[("train/data", 4.0), ("train", 6.0)]))
    assert flag.code == "input-bound"
    assert "busy 31 %" in flag.message.replace("%", " %").replace("  ", " ")
    assert "40" in flag.message


@pytest.mark.parametrize(("busy", "waiting_s"), [(0.9, 4.0), (0.31, 0.5)])
def test_a_busy_device_or_a_short_wait_is_not_input_bound(findings, state, busy, waiting_s):
    used = state("utilisation", busy, ChannelKind.UTILISATION)
    phases = [("train/data", waiting_s), ("train", 10 - waiting_s)]
    assert list(input_bound(findings(used, phases=phases))) == []


def test_nothing_read_raises_no_flag(findings):
    for check in (throttled, foreign_process, temperature_drift, input_bound):
        assert list(check(findings(phases=[("train/data", 9.0)]))) == []
