"""Whose memory the peak on the device is: the run's own, the whole card's, or nobody's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from energyprof.analysis.peak_memory import is_of_whole_card, peak_device_memory, peak_host_memory
from energyprof.analysis.summary import summarise
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Totals

FIELD = "totals.peak_device_memory_bytes"
AT = np.arange(0.0, 4.0, 0.5)


@pytest.fixture
def memory(sim):
    """Return a channel of memory: steady, but for one reading in the window that is twice as high."""

    def build(highest_bytes, domain="gpu:0", name="memory"):
        values = np.where(AT == 2.0, highest_bytes, highest_bytes / 2)
        return sim.readings(ChannelKind.MEMORY, values, AT, domain=domain, name=name, unit="B")

    return build


@pytest.fixture
def report_of(sim):
    """Return the report of a run with these channels."""

    def build(*channels, device=None, told=None):
        draft = sim.draft(totals=Totals(peak_device_memory_bytes=told))
        draft = replace(draft, environment=replace(draft.environment, device=device))
        return summarise(sim.trace(window_s=(1, 3), channels=channels, duration_s=4.0), draft)

    return build


def flags_of(report):
    return {flag.code: flag.message for flag in report.flags if flag.field == FIELD}


def test_a_run_on_the_cpu_has_no_device_memory_whatever_a_card_beside_it_holds(memory, report_of):
    report = report_of(memory(6e8), memory(3e9, "host"), device="cpu")
    assert report.totals.peak_device_memory_bytes is None
    assert report.totals.peak_host_memory_bytes == 3_000_000_000
    assert flags_of(report) == {"missing-value": f"{FIELD} is not known: training ran on the CPU."}
    assert report_of(memory(6e8), device="cpu", told=7).totals.peak_device_memory_bytes is None


def test_a_run_on_cuda_keeps_the_peak_that_torch_told(memory, report_of):
    report = report_of(memory(6e8), memory(2e8, name="memory_peak"), device="cuda:0", told=123)
    assert report.totals.peak_device_memory_bytes == 123
    assert flags_of(report) == {}
    assert not is_of_whole_card(report)


@pytest.mark.parametrize("device", [None, "cuda:0"])
def test_the_allocator_s_high_water_mark_is_the_run_s_own(memory, report_of, device):
    report = report_of(memory(6e8), memory(2e8, name="memory_peak"), device=device)
    assert report.totals.peak_device_memory_bytes == 200_000_000
    assert flags_of(report) == {}


@pytest.mark.parametrize("device", [None, "cuda:0"])
def test_the_driver_s_figure_is_named_as_the_whole_card_s(memory, report_of, device):
    report = report_of(memory(6e8), memory(9e8, "gpu:1"), device=device)
    assert report.totals.peak_device_memory_bytes == 900_000_000  # of several cards, the worst
    assert is_of_whole_card(report)
    assert "in use on the whole card" in flags_of(report)["whole-card-memory"]


def test_built_again_from_its_own_report_it_is_still_named_so(memory, report_of):
    first = report_of(memory(6e8))
    again = report_of(memory(6e8), told=first.totals.peak_device_memory_bytes)
    assert is_of_whole_card(again)
    assert not is_of_whole_card(report_of(memory(6e8), told=5))  # told by the training code


def test_where_no_device_was_read_the_reason_is_that(memory, report_of):
    report = report_of(memory(3e9, "host"))
    assert report.totals.peak_device_memory_bytes is None
    assert flags_of(report) == {"missing-value": f"{FIELD} is not known: no device's memory was read."}


def test_readings_outside_of_the_window_count_for_nothing(sim, memory):
    late = sim.trace(window_s=(2.6, 3), channels=[memory(6e8), memory(8e8, "host")], duration_s=4.0)
    assert peak_device_memory(late, None, None) == 300_000_000
    assert peak_host_memory(late) == 400_000_000
