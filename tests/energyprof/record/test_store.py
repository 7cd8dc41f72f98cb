from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from energyprof.errors import OutputError, RecordError, RunNotFound
from energyprof.record.environment import collect_environment
from energyprof.record.model import Report, RunInfo, RunStatus
from energyprof.record.store import RunFolder, find_run, list_runs, new_run_id, read_trace

CHANNEL = {"name": "cpu/energy", "domain": "cpu", "kind": "energy", "unit": "J", "sensor": "cpu-model"}


def filled(out: Path, run_id: str = "r") -> RunFolder:
    folder = RunFolder(out, run_id, [CHANNEL])
    for k in range(5):
        start = [1000 * k, 1000 * k + 500]
        folder.steps.append(
            {"start_ns": start, "phase": [1, 2 + k], "step": [2 * k, 2 * k]},
            ["unattributed", "train/data", *[f"train/{i}" for i in range(k + 1)]],
        )
        gap = k == 3
        row = {"t_ns": [1000 * k + 100], "since_ns": [1000 * k], "channel": [0], "gap": [gap]}
        folder.samples.append(row | {"value": [np.nan if gap else float(k)]}, ["cpu/energy"])
        folder.metrics.append(
            {"t_ns": [1000 * k + 600], "name": [k], "value": [0.5]}, [f"loss{i}" for i in range(k + 1)]
        )
    return folder


def test_what_was_appended_is_read_back_with_growing_names(tmp_path: Path) -> None:
    folder = filled(tmp_path)
    folder.close()
    trace = read_trace(folder.path)
    phases = [trace.segments.phases[i] for i in trace.segments.phase]
    assert phases[1::2] == ["train/0", "train/1", "train/2", "train/3", "train/4"]
    assert trace.segments.step.tolist() == [0, 0, 2, 2, 4, 4, 6, 6, 8, 8]
    (channel,) = trace.channels
    assert channel.value.tolist() == [0, 1, 2, 4]
    assert channel.gap_ns.tolist() == [[3000, 3100]]
    assert trace.metrics.name == ("loss0", "loss1", "loss2", "loss3", "loss4")


def test_a_stream_cut_anywhere_gives_every_whole_batch_before_the_cut(tmp_path: Path) -> None:
    folder = filled(tmp_path)
    folder.close()
    path = folder.path / "steps.arrow"
    whole = path.read_bytes()
    seen = []
    for cut in range(0, len(whole), 41):
        path.write_bytes(whole[:cut])
        trace = read_trace(folder.path)
        rows = trace.segments.start_ns.tolist()
        assert (
            rows in ([0], [0, 500])
            or rows == [t for k in range(5) for t in (1000 * k, 1000 * k + 500)][: len(rows)]
        )
        assert not trace.complete
        seen.append(len(rows))
    assert seen == sorted(seen)
    assert seen[-1] >= 8


def test_a_missing_stream_is_said_and_the_others_are_read(tmp_path: Path) -> None:
    folder = filled(tmp_path)
    folder.close()
    (folder.path / "samples.arrow").unlink()
    trace = read_trace(folder.path)
    assert trace.channels == ()
    assert "samples.arrow is missing" in trace.problems


def test_a_folder_without_any_trace_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no trace"):
        read_trace(tmp_path)


def test_a_run_killed_before_its_first_second_was_written_is_told_in_plain_words(tmp_path: Path) -> None:
    for name in ("steps", "samples", "metrics"):
        (tmp_path / f"{name}.arrow").touch()
    with pytest.raises(
        RecordError, match=r"steps\.arrow is empty; samples\.arrow is empty; metrics\.arrow is empty"
    ):
        read_trace(tmp_path)


def test_a_foreign_file_is_one_problem_and_no_traceback(tmp_path: Path) -> None:
    folder = filled(tmp_path)
    folder.close()
    (folder.path / "steps.arrow").write_bytes(b"not arrow at all" * 100)
    problems = read_trace(folder.path).problems
    assert any("steps.arrow cannot be read" in problem for problem in problems)


def test_a_folder_removed_under_our_feet_is_written_anew(tmp_path: Path) -> None:
    folder = filled(tmp_path)
    shutil.rmtree(folder.path)
    folder.close()
    assert read_trace(folder.path).segments.step.max() == 8


def test_a_full_disk_loses_nothing_once_there_is_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = filled(tmp_path)
    import os

    real = os.pwrite

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    folder.steps.append({"start_ns": [9000], "phase": [0], "step": [-1]}, ["unattributed"])
    assert "No space left" in (folder.steps.problem or "")
    monkeypatch.setattr(os, "pwrite", real)
    folder.steps.append({"start_ns": [9500], "phase": [0], "step": [-1]}, ["unattributed"])
    folder.close()
    assert read_trace(folder.path).segments.start_ns.tolist()[-2:] == [9000, 9500]


def test_a_program_that_changes_its_working_folder_leaves_the_run_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("here", "there", "gone"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    folder = filled(Path("runs"))
    assert folder.path == Path("runs/r")
    monkeypatch.chdir(tmp_path / "there")
    folder.metrics.append({"t_ns": [9_000], "name": [0], "value": [0.25]}, ["loss0"])
    started = "2026-11-20T15:22:33.000Z"
    run = RunInfo(id="r", name="r", status=RunStatus.PARTIAL, started_at=started)
    folder.write_report(Report(run=run, environment=collect_environment()))
    assert folder.path == tmp_path / "here" / "runs" / "r"
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    folder.close()
    assert folder.problems == ()
    assert folder.path == tmp_path / "here" / "runs" / "r"
    assert list((tmp_path / "there").iterdir()) == []
    assert read_trace(folder.path).metrics.value.tolist() == [0.5] * 5 + [0.25]


def test_a_share_that_tells_nothing_any_more_stops_no_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = filled(tmp_path)

    def denied(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("energyprof.record.appender.os.stat", denied)
        folder.metrics.append({"t_ns": [9_000], "name": [0], "value": [0.25]}, ["loss0"])
        assert folder.problems == ()  # what is open can still be written
        assert not folder.has_report
    folder.close()
    assert read_trace(folder.path).metrics.value.tolist() == [0.5] * 5 + [0.25]


def test_an_output_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"choose another folder \(out= in Python, --out"):
        RunFolder(tmp_path / "file", "r", [])


def test_run_ids_sort_by_time_and_hold_no_odd_characters() -> None:
    run_id = new_run_id("MF / digits <x>", datetime(2026, 11, 20, 15, 22, 33, tzinfo=UTC))
    assert run_id.startswith("20261120-152233-mf-digits-x-")


def test_a_run_is_found_by_folder_report_prefix_and_last(tmp_path: Path) -> None:
    for name in ("20260101-a", "20260102-b", "20260102-c"):
        filled(tmp_path, name).close()
    first = tmp_path / "20260101-a"
    (first / "report.json").write_text("{}")
    assert find_run("20260101", tmp_path) == first
    assert find_run(str(first), tmp_path) == first
    assert find_run(str(first / "report.json"), tmp_path) == first
    assert find_run("last", tmp_path).name == "20260102-c"
    assert len(list_runs(tmp_path)) == 3
    with pytest.raises(RunNotFound, match="names 2 runs"):
        find_run("20260102", tmp_path)
    with pytest.raises(RunNotFound, match="the newest is 20260102-c"):
        find_run("1999", tmp_path)


def test_a_file_under_a_name_of_its_own_is_not_the_run_beside_it(tmp_path: Path) -> None:
    for name in ("report.json", "sent.json", "notes.txt"):
        (tmp_path / name).write_text("{}")
    assert find_run(str(tmp_path / "report.json"), tmp_path) == tmp_path
    with pytest.raises(RunNotFound, match=r"'.*sent\.json' is a report without its run folder"):
        find_run(str(tmp_path / "sent.json"), tmp_path)
    with pytest.raises(RunNotFound, match="is no report: name a run folder"):
        find_run(str(tmp_path / "notes.txt"), tmp_path)


def test_logged_scalars_know_how_many_steps_were_finished(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "r", [])
    folder.steps.append(
        {"start_ns": [0, 10, 20, 30], "phase": [1, 1, 0, 2], "step": [0, 1, -1, -1]},
        ["u", "train", "evaluate"],
    )
    folder.metrics.append({"t_ns": [5, 15, 25, 35], "name": [0] * 4, "value": [1.0] * 4}, ["loss"])
    folder.close()
    assert read_trace(folder.path).metrics.step.tolist() == [0, 1, 2, 2]


def test_runs_of_one_name_and_second_have_folders_of_their_own(tmp_path: Path) -> None:
    folders = [RunFolder(tmp_path, "r", []) for _ in range(3)]
    assert len({folder.path for folder in folders}) == 3
    assert all(folder.path.name.startswith("r") for folder in folders)
    for folder in folders:
        folder.close()
