from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from energyprof.errors import UnknownName, UsageError
from energyprof.record.model import Carbon, MemoryByCause, Overhead, Report, RunInfo, RunStatus, Severity
from energyprof.record.schema import parse_report, render_report
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
    draft.account(
        flops=1e9, memory=MemoryByCause(parameters=5), peak_device_memory_bytes=None, includes=["training"]
    )
    draft.note("recording-problem", "the disk is full", Severity.WARNING)
    report = draft.ended(None, at_ns=1_500_000_000, sensors=(), overhead=Overhead(marks=7))
    assert (report.run.status, report.run.ended_at) == (RunStatus.COMPLETED, "1970-01-01T00:00:01.500Z")
    assert (report.totals.flops, report.totals.peak_device_memory_bytes) == (1e9, None)
    assert (report.memory.parameters, report.window.includes) == (5, ("training",))
    assert (report.overhead.marks, report.flags[0].severity) == (7, Severity.WARNING)


def test_what_the_window_includes_is_left_to_the_trace_unless_somebody_says_it() -> None:
    draft = RunDraft()
    begin(draft)
    report = draft.ended(ValueError("bad"), at_ns=0, sensors=(), overhead=Overhead())
    assert report.window.includes == ()
    said = draft.account(includes=["training"])
    assert said is not None
    assert said.window.includes == ("training",)  # also of a run that is killed later
    assert (report.run.status, report.run.error) == (RunStatus.FAILED, "ValueError: bad")


def test_a_fact_that_the_record_does_not_have_is_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'algo'"):
        RunDraft().describe(algos="mf")


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"protocol": "5 epochs"}, "describe: protocol should be a table, seen '5 epochs'"),
        ({"config": [0.1]}, "describe: config should be a table"),
        ({"parameters": "many"}, "describe: parameters should be a whole number, seen 'many'"),
        ({"algo": 3}, "describe: algo should be text, seen 3"),
        ({"threads": 1.5}, "describe: threads should be a whole number"),
        ({"flush_denormal": "yes"}, "describe: flush_denormal should be true or false"),
    ],
)
def test_a_fact_that_could_not_be_read_back_is_refused_and_not_kept(facts: dict[str, Any], told: str) -> None:
    draft = RunDraft()
    before = begin(draft)
    with pytest.raises(UsageError, match=told):
        draft.describe(**facts)
    assert draft.report == before


@pytest.mark.parametrize(
    ("accounts", "told"),
    [
        ({"flops": "many"}, "account: flops should be a finite number, seen 'many'"),
        ({"flops": -1.0}, "account: flops is -1.0: give a number from 0 on"),
        ({"flops": float("nan")}, "account: flops is nan"),
        ({"peak_device_memory_bytes": 0.5}, "account: peak_device_memory_bytes should be a whole number"),
        ({"memory": {"parameters": 5}}, "account: memory is .*give an energyprof.MemoryByCause"),
        ({"includes": ["trainin"]}, "unknown part of the window 'trainin': did you mean 'training'"),
        ({"includes": "training"}, r"give a list of parts, such as \['training'\]"),
    ],
)
def test_a_figure_that_cannot_be_meant_is_refused_and_not_kept(accounts: dict[str, Any], told: str) -> None:
    draft = RunDraft()
    begin(draft)
    with pytest.raises(UsageError, match=told):
        draft.account(**accounts)
    report = draft.ended(None, at_ns=0, sensors=(), overhead=Overhead())
    assert (report.totals.flops, report.window.includes) == (None, ())


def test_values_of_other_libraries_are_taken_for_what_is_written_of_them() -> None:
    draft = RunDraft()
    begin(draft)
    facts = {"parameters": np.int64(7), "config": {"rate": np.float32(0.5), "path": Path("x")}}
    report = draft.describe(**facts, protocol={"epochs": 3, "widths": (1, 2)}, dataset=None)
    assert report is not None
    assert draft.account(flops=np.float64(2e9)) is not None
    kept = parse_report(render_report(report))
    assert (kept.workload.parameters, kept.workload.config["rate"]) == (7, 0.5)
