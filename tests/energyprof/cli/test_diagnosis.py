"""``energyprof doctor`` over stand-in cards: what it says of each sensor, and of one that is not there."""

from __future__ import annotations

import pytest

from energyprof.cli.diagnosis import diagnose, render_diagnosis
from energyprof.cli.rendering import show
from energyprof.testing.cards import CARDS, Card
from energyprof.testing.faults import Fault, NvmlCode
from energyprof.testing.nvml import StandInNvml

Capture = pytest.CaptureFixture[str]


def said_of(card: Card, capsys: Capture, *faults: Fault, seconds: float = 3.0) -> str:
    with StandInNvml([card]) as nvml, nvml.loaded():
        for fault in faults:
            nvml.fault(fault)
        show(render_diagnosis(diagnose(seconds, nvml.clock)))
    return " ".join(capsys.readouterr().out.split())


def test_a_counter_is_known_within_a_percent(capsys: Capture) -> None:
    text = said_of(CARDS["hopper"], capsys)
    assert "counter by nvml:gpu:0" in text
    assert "Windows of 10.0 s and more are known within about 1 %" in text
    assert "Not calibrated" in text


def test_a_power_reading_that_sees_a_part_of_the_time_promises_nothing(capsys: Capture) -> None:
    text = said_of(CARDS["pascal"], capsys)
    assert "sampled by nvml:gpu:0" in text
    assert "It sees 50% of the time, and nothing counts the rest" in text
    assert "are known within about" not in text.partition("CPU estimated")[0]


def test_a_mean_over_a_second_sees_all_of_it(capsys: Capture) -> None:
    text = said_of(CARDS["hopper"].with_sensor(counter_ns=0), capsys)
    assert "sampled by nvml:gpu:0" in text
    assert "known within about 2 %" in text


def test_a_gpu_that_goes_away_meanwhile_is_said_with_where_to_look(capsys: Capture) -> None:
    lost = Fault(code=NvmlCode.GPU_IS_LOST, from_ns=10_001 * 10**9)
    text = said_of(CARDS["hopper"], capsys, lost)
    assert "the GPU has fallen off the bus (`dmesg` tells why, as an Xid); it is not read any more" in text


def test_a_card_that_answers_nothing_is_not_measured(capsys: Capture) -> None:
    names = ("field:83", "field:185", "field:186", "nvmlDeviceGetTotalEnergyConsumption")
    faults = [Fault(function=n, code=NvmlCode.NOT_SUPPORTED) for n in (*names, "nvmlDeviceGetPowerUsage")]
    text = said_of(CARDS["hopper"], capsys, *faults)
    assert "not measured: no NVIDIA GPU is measured" in text
    assert "neither energy nor power can be read on this card with this driver: its energy is missing" in text
