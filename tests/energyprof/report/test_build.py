from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import energyprof
from energyprof.errors import RecordError
from energyprof.record.model import Provenance, RunStatus
from energyprof.record.schema import read_report, write_report
from energyprof.report.build import rebuild_report


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the profiler on this machine, its energy from the model of the processor."""
    with energyprof.Profiler("short", out=tmp_path_factory.mktemp("runs"), idle_s=0.0) as prof:
        for _ in prof.steps(range(20)):
            sum(range(200_000))
    return prof.run.html.parent


@pytest.fixture
def folder(recorded: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(recorded, tmp_path / recorded.name))


def test_a_truncated_report_is_built_again_and_an_estimate_stays_one(folder: Path) -> None:
    report = folder / "report.json"
    before = read_report(report).totals.energy_by_domain_j["cpu"].source
    report.write_text(report.read_text()[:400])
    built = rebuild_report(folder)
    assert built.run.status is RunStatus.PARTIAL
    assert built.totals.energy_by_domain_j["cpu"].source is before
    assert built.totals.steps == 20
    assert read_report(report) == built


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"schema": "energyprof.report/7"}', "energyprof.report/7"),
        ('{"a": 1}', "no energyprof report"),
        ('{"schema": "energyprof.report/1", "run": 5}', "should be"),
    ],
)
def test_a_whole_report_that_is_not_ours_to_replace_is_left_alone(
    folder: Path, text: str, message: str
) -> None:
    (folder / "report.json").write_text(text)
    with pytest.raises(RecordError, match=message) as caught:
        rebuild_report(folder)
    assert "move that file away" in str(caught.value)
    assert (folder / "report.json").read_text() == text


def test_a_run_on_the_cpu_loses_the_card_s_memory_that_an_older_report_gave_it(folder: Path) -> None:
    kept = read_report(folder / "report.json")
    for device, peak in (("cpu", None), ("cuda:0", 7)):
        environment = replace(kept.environment, device=device)
        older = replace(
            kept, environment=environment, totals=replace(kept.totals, peak_device_memory_bytes=7)
        )
        write_report(older, folder / "report.json")
        assert rebuild_report(folder, html=False).totals.peak_device_memory_bytes == peak


def test_a_report_without_a_trace_is_one_clear_error(folder: Path) -> None:
    for file in folder.glob("*.arrow"):
        file.unlink()
    with pytest.raises(RecordError, match="no trace"):
        rebuild_report(folder)
    assert Provenance(read_report(folder / "report.json").totals.energy_j.source)
