from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from energyprof.errors import OutputError
from energyprof.record.model import Report
from energyprof.record.schema import write_report
from energyprof.record.trace import Trace
from energyprof.report.folder import FolderEntry, read_folder, write_index
from energyprof.report.index import render_index, trends_of

Runs = dict[str, tuple[Report, Trace]]


def repeated(report: Report, values: list[float]) -> list[Report]:
    """Return runs of one workload with these energies."""
    joules = [dataclasses.replace(report.totals.energy_j, value=v, low=v, high=v) for v in values]
    return [
        dataclasses.replace(
            report,
            run=dataclasses.replace(report.run, id=f"r{k:03d}", started_at=f"2026-11-{k + 1:02d}T00:00:00Z"),
            totals=dataclasses.replace(report.totals, energy_j=energy),
        )
        for k, energy in enumerate(joules)
    ]


def test_a_folder_is_read_back_with_the_reason_for_what_cannot_be_read(runs: Runs, tmp_path: Path) -> None:
    for name in ("20260101-a", "20260102-truncated", "20260103-newer", "20260104-trace-only", "notes"):
        (tmp_path / name).mkdir()
    write_report(runs["gpu"][0], tmp_path / "20260101-a" / "report.json")
    (tmp_path / "20260101-a" / "report.html").write_text("page")
    (tmp_path / "20260102-truncated" / "report.json").write_text('{"schema": "energyprof.rep')
    (tmp_path / "20260103-newer" / "report.json").write_text('{"schema": "energyprof.report/9"}')
    (tmp_path / "20260104-trace-only" / "steps.arrow").write_bytes(b"")
    (tmp_path / "notes" / "todo.txt").write_text("unrelated")
    (tmp_path / "index.html").write_text("old")
    entries = read_folder(tmp_path)
    assert [e.folder[9:] for e in entries] == ["a", "truncated", "newer", "trace-only"]
    assert entries[0].page
    assert [e.report is None for e in entries] == [False, True, True, True]
    reasons = [e.reason or "" for e in entries[1:]]
    assert "not whole JSON" in reasons[0]
    assert "energyprof.report/9" in reasons[1]
    assert "report build" in reasons[2]
    assert not any(str(tmp_path) in reason for reason in reasons)


def test_the_index_lists_runs_newest_first_and_what_is_broken(runs: Runs, tmp_path: Path) -> None:
    for name in ("20260101-a", "20260102-b"):
        (tmp_path / name).mkdir()
        write_report(runs["gpu"][0], tmp_path / name / "report.json")
    (tmp_path / "20260103-c").mkdir()
    (tmp_path / "20260103-c" / "report.json").write_text("[]")
    path = write_index(tmp_path)
    html = path.read_text("utf-8")
    assert html.index("20260102-b") < html.index("20260101-a")
    assert 'id="unreadable"' in html
    assert "2 runs in this folder, 1 that cannot be read" in html


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    assert "energyprof run --algo mf" in write_index(tmp_path).read_text("utf-8")


def test_a_folder_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        write_index(tmp_path / "nowhere")


def test_links_are_relative_and_quoted(runs: Runs) -> None:
    entry = FolderEntry(folder='a "b" #1', report=runs["gpu"][0], page=True)
    html = render_index([entry])
    assert 'href="a%20%22b%22%20%231/report.html"' in html


def test_a_run_without_a_page_is_not_linked(runs: Runs) -> None:
    assert "/report.html" not in render_index([FolderEntry(folder="a", report=runs["gpu"][0])])


def test_hostile_names_stay_text(runs: Runs) -> None:
    html = render_index([FolderEntry(folder="a", report=runs["hostile"][0], page=True)])
    assert "<img" not in html.split('<script type="application/json"')[0]


def test_a_trend_finds_where_energy_stepped_up(runs: Runs) -> None:
    values = [100.0, 101.0, 99.0, 100.5, 99.5, 110.0, 111.0, 109.0, 110.5, 109.5]
    (trend,) = trends_of(repeated(runs["gpu"][0], values), promoted={"r000"})
    assert [change.index for change in trend.changes] == [5]
    assert "+10.0 % from r005" in trend.said
    assert "big" in trend.chart


def test_runs_of_a_promoted_baseline_are_marked_in_the_table_and_in_the_trend(runs: Runs) -> None:
    reports = repeated(runs["gpu"][0], [100.0, 101.0, 99.0])
    entries = [FolderEntry(folder=report.run.id, report=report) for report in reports]
    html = render_index(entries, promoted={"r001", "elsewhere"})
    (row,) = [line for line in html.splitlines() if line.startswith("<tr") and ">baseline<" in line]
    assert "r001" in row
    assert html.count("s2 big") == 1
    plain = render_index(entries)
    assert ">baseline<" not in plain
    assert "s2 big" not in plain
    assert "promoted baseline" not in plain


def test_runs_of_one_day_are_told_apart_by_the_time(runs: Runs) -> None:
    reports = repeated(runs["gpu"][0], [100.0, 101.0, 99.0])
    (trend,) = trends_of(reports)
    assert ">2026-11-01<" in trend.chart
    day = [
        dataclasses.replace(r, run=dataclasses.replace(r.run, started_at=f"2026-11-01T0{k}:30:00Z"))
        for k, r in enumerate(reports)
    ]
    (trend,) = trends_of(day)
    assert ">00:30<" in trend.chart
    assert ">02:30<" in trend.chart
    assert "runs of 2026-11-01 in order of time" in trend.chart


def test_failed_runs_and_small_groups_are_in_no_trend(runs: Runs) -> None:
    few = repeated(runs["gpu"][0], [1.0, 2.0])
    partial = [runs["partial"][0]] * 5
    assert trends_of([*few, *partial]) == []
