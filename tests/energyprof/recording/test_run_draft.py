from __future__ import annotations

import pytest

from energyprof.errors import UnknownName
from energyprof.record.model import Carbon, MemoryByCause, Overhead, Report, RunInfo, RunStatus, Severity
from energyprof.recording.run_draft import RunDraft, instant_text


def begin(draft: RunDraft) -> Report:
    run = RunInfo(id="t-1", name="t", status=RunStatus.PARTIAL, started_at=instant_text(0))
    return draft.begin(run, gpus=(), sensors=(), carbon=Carbon(intensity_g_per_kwh=50.0))


def test_there_is_no_report_before_the_run_has_begun() -> None:
    draft = RunDraft()
    assert draft.report is None
    assert draft.describe(algo="mf") is None


def test_what_was_told_before_the_run_stands_in_its_first_report() -> None:
    draft = RunDraft()
    draft.describe(algo="mf", threads=2)
    draft.note("sensor-missing", "no GPU")
    report = begin(draft)
    assert (report.workload.algo, report.environment.threads) == ("mf", 2)
    assert [flag.message for flag in report.flags] == ["no GPU"]
    assert report.carbon.intensity_g_per_kwh == 50.0


def test_what_is_told_later_is_added() -> None:
    draft = RunDraft()
    begin(draft)
    report = draft.describe(dataset="digits")
    assert report is not None
    assert report == draft.report
    assert report.workload.dataset == "digits"


def test_the_end_says_when_how_and_what_was_counted() -> None:
    draft = RunDraft()
    begin(draft)
    draft.account(flops=1e9, memory=MemoryByCause(parameters=5), peak=None, includes=["training"])
    draft.note("recording-problem", "the disk is full", Severity.WARNING)
    report = draft.ended(None, at_ns=1_500_000_000, sensors=(), overhead=Overhead(marks=7))
    assert (report.run.status, report.run.ended_at) == (RunStatus.COMPLETED, "1970-01-01T00:00:01.500Z")
    assert (report.totals.flops, report.totals.peak_device_memory_bytes) == (1e9, None)
    assert (report.memory.parameters, report.window.includes) == (5, ("training",))
    assert (report.overhead.marks, report.flags[0].severity) == (7, Severity.WARNING)


def test_the_window_holds_training_and_data_loading_unless_somebody_says_otherwise() -> None:
    draft = RunDraft()
    begin(draft)
    report = draft.ended(ValueError("bad"), at_ns=0, sensors=(), overhead=Overhead())
    assert report.window.includes == ("training", "data-loading")
    assert (report.run.status, report.run.error) == (RunStatus.FAILED, "ValueError: bad")


def test_a_fact_that_the_record_does_not_have_is_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'algo'"):
        RunDraft().describe(algos="mf")
