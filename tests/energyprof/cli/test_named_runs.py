"""Runs as a person names them, on the command line: also reports that were taken out of their folders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from energyprof.cli import main
from energyprof.record.store import list_runs

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def mailed(two_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two reports that somebody sent, under names of their own; a third one lies beside."""
    monkeypatch.chdir(tmp_path)
    first, second = list_runs(two_runs)
    for name, run in {"mine.json": first, "yours.json": second, "report.json": first}.items():
        shutil.copy(run / "report.json", tmp_path / name)
    return tmp_path


def ids(mailed: Path) -> list[str]:
    return [json.loads((mailed / name).read_text())["run"]["id"] for name in ("mine.json", "yours.json")]


def test_each_report_file_is_the_run_it_holds_and_not_its_neighbour(mailed: Path, capsys: Capture) -> None:
    assert main(["compare", "mine.json", "yours.json", "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert sorted(compared["runs"]) == sorted(ids(mailed))
    assert main(["explain", "mine.json", "yours.json", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ratio"] != 1
    assert main(["restop", "yours.json", "--patience", "1", "--json"]) == 0
    (stopped,) = json.loads(capsys.readouterr().out)["runs"]
    assert ids(mailed)[1] in json.dumps(stopped)


@pytest.mark.parametrize("command", [["report", "open", "--print"], ["report", "build"], ["export", "--csv"]])
@pytest.mark.parametrize("name", ["mine.json", "report.json"])
def test_what_needs_a_trace_says_that_a_report_alone_has_none(
    mailed: Path, capsys: Capture, command: list[str], name: str
) -> None:
    assert main([*command, name]) == 2
    assert f"'{name}' comes without a trace" in capsys.readouterr().err


def test_a_page_is_no_report_to_read_figures_from_unless_its_report_is_beside_it(
    two_runs: Path, tmp_path: Path, capsys: Capture
) -> None:
    run = list_runs(two_runs)[0]
    assert main(["compare", str(run / "report.html")]) == 0
    notes = tmp_path / "notes.txt"
    notes.write_text("nothing")
    assert main(["compare", str(notes)]) == 2
    assert "name a run folder or its report.json" in capsys.readouterr().err


def test_a_folder_of_runs_stands_for_all_of_them(two_runs: Path, tmp_path: Path, capsys: Capture) -> None:
    assert main(["compare", str(two_runs), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["runs"]) == 2
    assert main(["compare", str(tmp_path)]) == 2
    assert "no folder of runs" in capsys.readouterr().err


def test_explain_says_that_it_takes_two_runs(two_runs: Path, capsys: Capture) -> None:
    runs = [str(run) for run in list_runs(two_runs)]
    for given in (runs[:1], [*runs, runs[0]]):
        assert main(["explain", *given]) == 2
        assert f"takes two runs, seen {len(given)} run" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        ["compare", "last", "--margin", "5"],
        ["plan", "--margin", "5", "--noise", "1%"],
        ["plan", "--margin", "5%", "--noise", "1%", "--between", "1"],
        ["ab", "--head", "energyprof run --algo mf", "--margin", "5"],
    ],
)
def test_a_bare_number_of_hundreds_of_percent_is_not_taken_for_a_share(
    command: list[str], capsys: Capture
) -> None:
    assert main(command) == 2
    assert "00%: write --" in capsys.readouterr().err


def test_a_margin_that_is_no_share_is_shown_how_to_be_one(capsys: Capture) -> None:
    assert main(["plan", "--margin", "5 J", "--noise", "1%"]) == 2
    assert capsys.readouterr().err == "error: --margin 5 J is no share: write --margin 5%\n"


def test_a_loop_that_says_nothing_of_itself_is_told_how_to_say_it(
    two_runs: Path, tmp_path: Path, capsys: Capture
) -> None:
    report = json.loads((list_runs(two_runs)[0] / "report.json").read_text())
    report["run"]["id"] = "silent"
    report["workload"] = {}
    silent = tmp_path / "silent.json"
    silent.write_text(json.dumps(report))
    assert main(["compare", str(two_runs), str(silent)]) == 0
    assert "prof.describe(dataset=...)" in capsys.readouterr().err
    assert main(["compare", str(two_runs)]) == 0
    assert "hint" not in capsys.readouterr().err


@pytest.mark.parametrize("command", [["compare"], ["report", "build"], ["report", "open", "--print"]])
def test_a_run_that_was_killed_before_anything_was_recorded_is_to_be_deleted(
    tmp_path: Path, capsys: Capture, command: list[str]
) -> None:
    folder = tmp_path / "20261120-152233-mf-digits-s0-3f2a"
    folder.mkdir()
    for name in ("steps.arrow", "samples.arrow", "metrics.arrow"):
        (folder / name).touch()
    assert main([*command, str(folder)]) == 2
    assert f"delete its folder {folder}" in capsys.readouterr().err


def test_a_run_killed_in_its_first_moment_is_left_out_of_a_folder_with_a_note(
    two_runs: Path, capsys: Capture
) -> None:
    blank = two_runs / "20990101-000000-blank"
    blank.mkdir()
    (blank / "steps.arrow").write_bytes(b"")
    try:
        assert main(["compare", str(two_runs), "--json"]) == 0
        told = capsys.readouterr()
        assert len(json.loads(told.out)["runs"]) == 2
        assert told.err.startswith(f"note: run {blank.name} was stopped before anything was recorded")
    finally:
        shutil.rmtree(blank)
