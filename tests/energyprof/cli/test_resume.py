"""``energyprof run --checkpoint-every`` and ``--resume``: killed, stopped, and asked for something else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest
import torch

from energyprof.cli import main
from energyprof.record.model import Provenance, Report, RunStatus
from energyprof.record.schema import read_report, report_json_schema
from energyprof.record.store import list_runs
from tests.energyprof.cli.conftest import interrupt_after

SMALL = ("--algo", "mf", "--schedule", "sequential", "--arch", "mlp:16,12", "--idle", "0", "--threads", "1")


def run(out: Path, *arguments: str) -> int:
    return main(["run", "--out", str(out), *arguments])


def in_time(out: Path) -> list[Path]:
    """Return the run folders in order of time; their names tell it to the second only."""
    return sorted(list_runs(out), key=lambda folder: read_report(folder / "report.json").run.started_at)


def reports(out: Path) -> list[Report]:
    return [read_report(folder / "report.json") for folder in in_time(out)]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    content = torch.load(folder / "checkpoint.pt", weights_only=True)
    return dict(content["learner"]["tensors"])


@pytest.fixture
def stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder with one run of 2 x 2 epochs that was interrupted after three."""
    with monkeypatch.context() as patch:
        interrupt_after(patch, 3)
        assert run(tmp_path, *SMALL, "--epochs", "2", "--checkpoint-every", "1") == 130
    (folder,) = list_runs(tmp_path)
    assert f"continue it with  energyprof run --resume {folder}" in capsys.readouterr().err
    return tmp_path


def child(out: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a run and wait until its third epoch is over."""
    process = subprocess.Popen(
        [sys.executable, "-m", "energyprof", "run", "--out", str(out), *SMALL, *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "epoch 3/" in line:
            return process
    raise AssertionError(f"the run ended by itself with code {process.wait()}")


def test_a_killed_run_is_continued_to_the_same_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    protocol = ("--epochs", "1000", "--patience", "12", "--set", "lr=3e-3", "--checkpoint-every", "1")
    process = child(tmp_path / "killed", *protocol)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert run(tmp_path / "killed", "--resume", "last") == 0
    assert run(tmp_path / "whole", *SMALL, *protocol, "--quiet") == 0
    capsys.readouterr()
    killed, resumed = in_time(tmp_path / "killed")
    (whole,) = list_runs(tmp_path / "whole")
    report, expected = read_report(resumed / "report.json"), read_report(whole / "report.json")
    assert read_report(killed / "report.json").run.status is RunStatus.PARTIAL
    assert report.run.status is RunStatus.COMPLETED
    assert report.quality == expected.quality
    ours, theirs = weights(resumed), weights(whole)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    before = report.run.resumed_from
    assert before is not None
    assert before.run == killed.name
    assert before.passes >= 3
    steps = expected.totals.steps // len(expected.epochs)
    assert report.totals.steps == expected.totals.steps - before.passes * steps
    jsonschema.validate(json.loads((resumed / "report.json").read_text()), report_json_schema())


def test_a_run_told_to_stop_leaves_its_last_whole_epoch(tmp_path: Path) -> None:
    process = child(tmp_path, "--epochs", "100000", "--checkpoint-every", "100000")
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "continue it with  energyprof run --resume" in errors
    (folder,) = list_runs(tmp_path)
    report = read_report(folder / "report.json")
    passes = torch.load(folder / "checkpoint.pt", weights_only=True)["training"]["passes"]
    assert 3 <= passes <= len(report.epochs) <= passes + 1  # one more where it came while that was noted
    assert "checkpoint" in {phase.name for phase in report.phases}


def test_the_parts_are_told_apart_and_added_where_both_are_known(
    stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(stopped, "--resume", "last") == 0
    printed = " ".join(capsys.readouterr().out.split())
    first, second = reports(stopped)
    before = second.run.resumed_from
    assert before is not None
    assert (before.run, before.stage, before.epoch, before.passes) == (first.run.id, "layer2", 1, 3)
    assert before.duration_s == first.totals.duration_s
    assert before.energy_j == first.totals.energy_j
    assert [epoch.index for epoch in second.epochs] == [1]
    assert second.totals.samples == 1280
    assert "those of this part alone. Together with the part before:" in printed
    assert "checkpoints" in second.window.includes
    assert second.workload.protocol["checkpoint_every"] == 1
    assert {phase.name for phase in second.phases} >= {"resume", "checkpoint", "layer2"}


def test_a_part_of_a_part_adds_up_all_of_them(
    stopped: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        assert run(stopped, "--resume", "last") == 130
    assert run(stopped, "--resume", str(in_time(stopped)[-1]), "--quiet") == 0
    capsys.readouterr()
    first, second, third = reports(stopped)
    before = third.run.resumed_from
    assert before is not None
    assert before.run == second.run.id
    assert before.duration_s == first.totals.duration_s + second.totals.duration_s
    parts = [first.totals.energy_j.value, second.totals.energy_j.value]
    assert before.energy_j.value == pytest.approx(sum(part or 0.0 for part in parts))
    assert third.totals.steps == 0
    assert third.quality.test_accuracy is not None


def test_without_the_earlier_record_nothing_is_added(
    stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder,) = list_runs(stopped)
    for name in ("report.json", "samples.arrow", "metrics.arrow"):
        (folder / name).unlink()
    (folder / "steps.arrow").write_bytes(b"")
    assert run(stopped, "--resume", str(folder)) == 0
    assert "What the part before took is not known." in " ".join(capsys.readouterr().out.split())
    (resumed,) = (read_report(f / "report.json") for f in list_runs(stopped) if f != folder)
    assert resumed.run.resumed_from is not None
    assert resumed.run.resumed_from.energy_j.source is Provenance.MISSING
    assert resumed.run.resumed_from.duration_s is None


def test_a_part_is_not_compared_with_a_whole_run_and_no_gate_takes_it(
    stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(stopped, "--resume", "last", "--quiet") == 0
    whole = ("--epochs", "2", "--checkpoint-every", "1", "--quiet")
    assert run(stopped, *SMALL, *whole) == 0
    _, part, complete = map(str, in_time(stopped))
    capsys.readouterr()
    assert main(["compare", part, complete, "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert "extent" in {difference["key"] for difference in compared["refusals"]}
    assert len(compared["groups"]) == 2
    budget = stopped / "energyprof.toml"
    budget.write_text(
        'schema = "energyprof.budget/1"\n[[budget]]\nname = "b"\nunguarded = "a test"\n'
        "[budget.metrics.steps]\nmax = 1000000\n"
    )
    codes = [main(["check", "--config", str(budget), one]) for one in (complete, part)]
    printed = " ".join(capsys.readouterr().out.split())
    assert codes == [0, 4]
    assert "1 of 1 head runs are excluded (part-of-run)" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--algo", "bp"), "--algo is bp, and "),
        (("--seed", "1"), "--seed is 1, and "),
        (("--epochs", "9"), "was started with 2: leave it out to continue that run"),
        (("--set", "lr=1e-2"), "--set is lr=1e-2, and "),
        (("--dataset", "mnist"), "was started with digits"),
        (("--patience", "2"), "was started with none"),
        (("--watch", "accuracy"), "--watch is accuracy, and "),
        (("--checkpoint-every", "0"), "--checkpoint-every 0 cannot be"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_something_else_than_was_started_is_refused_in_one_line(
    stopped: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert run(stopped, "--resume", "last", *arguments) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert len(list_runs(stopped)) == 1


def test_a_checkpoint_of_one_figure_is_not_continued_with_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--epochs", "4", "--patience", "3", "--watch", "accuracy", "--checkpoint-every", "1")
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after(patch, 2)
        assert run(tmp_path, *SMALL, *given) == 130
    (folder,) = list_runs(tmp_path)
    content = torch.load(folder / "checkpoint.pt", weights_only=True)
    capsys.readouterr()
    assert run(tmp_path, "--resume", "last", "--watch", "loss") == 2
    assert "--watch is loss, and " in capsys.readouterr().err
    identity = {**content["identity"], "protocol.watched": "validation_loss"}
    torch.save({**content, "identity": identity}, folder / "checkpoint.pt")
    assert run(tmp_path, "--resume", "last") == 2
    said = "was written with protocol.watched validation_loss, and here it is validation_accuracy"
    assert said in capsys.readouterr().err
    torch.save(content, folder / "checkpoint.pt")
    assert run(tmp_path, "--resume", "last", "--watch", "accuracy", "--quiet") == 0
    assert run(tmp_path / "whole", *SMALL, *given) == 0
    (whole,) = list_runs(tmp_path / "whole")
    resumed = in_time(tmp_path)[-1]
    reports = [read_report(f / "report.json") for f in (resumed, whole)]
    assert reports[0].quality == reports[1].quality
    ours, theirs = weights(resumed), weights(whole)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_checkpoint_written_before_there_was_a_choice_is_continued_by_the_loss(tmp_path: Path) -> None:
    given = ("--epochs", "4", "--patience", "3", "--checkpoint-every", "1")
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after(patch, 2)
        assert run(tmp_path, *SMALL, *given) == 130
    (folder,) = list_runs(tmp_path)
    content = torch.load(folder / "checkpoint.pt", weights_only=True)
    del content["experiment"]["watch"], content["training"]["patience"]["watched"]
    torch.save(content, folder / "checkpoint.pt")
    assert run(tmp_path, "--resume", "last", "--quiet") == 0
    report = read_report(in_time(tmp_path)[-1] / "report.json")
    assert report.run.status is RunStatus.COMPLETED
    assert report.workload.protocol["watched"] == "validation_loss"


def test_a_checkpoint_written_elsewhere_is_refused_by_what_differs(
    stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder,) = list_runs(stopped)
    file = folder / "checkpoint.pt"
    content = torch.load(file, weights_only=True)
    for name, value in (("torch", "1.0.0"), ("dataset_sha256", "00"), ("config.lr", 7.0)):
        torch.save({**content, "identity": {**content["identity"], name: value}}, file)
        assert run(stopped, "--resume", "last") == 2
        assert f"was written with {name} {value}, and here it is " in capsys.readouterr().err


def test_what_cannot_be_continued_says_why(
    stopped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder,) = list_runs(stopped)
    file = folder / "checkpoint.pt"
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    assert run(stopped, "--resume", "last") == 2
    assert f"{file} is no whole checkpoint" in capsys.readouterr().err
    file.unlink()
    assert run(stopped, "--resume", "last") == 2
    assert "there is no checkpoint" in capsys.readouterr().err
    file.write_bytes(whole)
    assert run(stopped, "--resume", "last", "--quiet") == 0
    assert run(stopped, "--resume", str(in_time(stopped)[-1])) == 2
    assert "has completed: there is nothing to continue" in capsys.readouterr().err
    assert run(tmp_path / "none", "--resume", "last") == 2
    assert "no run 'last'" in capsys.readouterr().err
