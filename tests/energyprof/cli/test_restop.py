"""``energyprof restop`` on a training that was interrupted and continued, with real short runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from energyprof.cli import main
from energyprof.record.model import Report, RunStatus
from energyprof.record.schema import read_report
from energyprof.record.store import list_runs
from learners.training.checkpoint_writer import CheckpointWriter
from tests.energyprof.cli.conftest import interrupt_after

SMALL = ("--algo", "mf", "--schedule", "sequential", "--arch", "mlp:16,12", "--idle", "0", "--threads", "1")

#: kills its own process without a word when the record on disk has the fourth epoch
KILLED = """
import os, signal, sys, time
from pathlib import Path
from energyprof.cli import main
from energyprof.cli.live import LineView
from energyprof.record.store import list_runs, read_trace

def ended(view, epoch, done=[]):
    done.append(epoch)
    if len(done) == 4:
        (folder,) = list_runs(Path(sys.argv[1]))
        until = time.monotonic() + 20
        while sum(n.startswith("epoch_end/") for n in read_trace(folder).metrics.name) < 4:
            time.sleep(0.02)
            assert time.monotonic() < until
        os.kill(os.getpid(), signal.SIGKILL)

LineView.epoch_ended = ended
main(["run", "--out", *sys.argv[1:]])
"""


def run(out: Path, *arguments: str) -> int:
    return main(["run", "--out", str(out), *arguments])


def restopped(out: Path, capsys: pytest.CaptureFixture[str], run_id: str, *arguments: str) -> dict[str, Any]:
    """Return what ``restop --json`` says of a run."""
    capsys.readouterr()
    assert main(["restop", run_id, "--out", str(out), "--json", *arguments]) == 0
    (found,) = json.loads(capsys.readouterr().out)["runs"]
    return dict(found)


def in_time(out: Path) -> list[Report]:
    found = [read_report(folder / "report.json") for folder in list_runs(out)]
    return sorted(found, key=lambda report: report.run.started_at)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a training of 2 x 3 epochs in three parts; in its folder ``whole``, without a break.

    The parts did 2 + 3 + 2 epochs: the second was stopped so hard that its last checkpoint, after its second
    epoch, is not its last whole epoch.
    """
    out = tmp_path_factory.mktemp("trained")
    protocol = ("--epochs", "3", "--set", "lr=3e-2")
    assert run(out / "whole", *SMALL, *protocol) == 0
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after(patch, 2)
        assert run(out, *SMALL, *protocol, "--checkpoint-every", "1") == 130
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after(patch, 3)
        patch.setattr(CheckpointWriter, "leave_last", lambda _writer: None)
        assert run(out, "--resume", "last", "--checkpoint-every", "2") == 130
    assert run(out, "--resume", str(out / in_time(out)[-1].run.id)) == 0
    return out


@pytest.fixture(scope="module")
def in_three(trained: Path) -> tuple[Report, ...]:
    """The reports of the three parts."""
    return tuple(in_time(trained))


def test_a_training_in_parts_is_stopped_where_the_whole_one_is(
    trained: Path, in_three: tuple[Report, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert [len(part.epochs) for part in in_three] == [2, 3, 2]
    (whole,) = (folder.name for folder in list_runs(trained / "whole"))
    for rule in (("--patience", "1"), ("--patience", "1", "--min-delta", "5"), ("--patience", "9")):
        there = restopped(trained / "whole", capsys, whole, *rule)
        here = restopped(trained, capsys, in_three[-1].run.id, *rule)
        for same in ("stages", "epochs", "samples", "validation_accuracy", "original_validation_accuracy"):
            assert here[same] == there[same]
        assert here["energy_low_j"] <= here["energy_j"] <= here["energy_high_j"]
        assert there["repeated"] is None


def test_the_joules_of_epochs_done_twice_are_told_and_counted(
    trained: Path, in_three: tuple[Report, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    found = restopped(trained, capsys, in_three[-1].run.id, "--patience", "9")
    twice = in_three[1].epochs[2]
    assert found["parts"] == [part.run.id for part in in_three]
    assert found["repeated"]["epochs"] == 1
    assert found["repeated"]["energy_j"]["value"] == pytest.approx(twice.energy_j.value)
    assert found["repeated"]["duration_s"] == pytest.approx(twice.end_s - twice.start_s)
    spent = sum(part.totals.energy_j.value or 0.0 for part in in_three)
    assert found["original_energy_j"] == found["energy_j"] == pytest.approx(spent)
    assert found["duration_s"] == pytest.approx(sum(part.totals.duration_s for part in in_three))
    assert found["energy_high_j"] == pytest.approx(sum(p.totals.energy_j.high or 0.0 for p in in_three))
    assert main(["restop", in_three[-1].run.id, "--patience", "9", "--out", str(trained)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "went into 1 epoch that was done twice" in printed
    assert "of it is in the energy under this rule" in printed


@pytest.fixture
def damaged(trained: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(trained, tmp_path / "damaged"))


def test_an_earlier_part_that_is_gone_is_named(
    damaged: Path, in_three: tuple[Report, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third = (part.run.id for part in in_three)
    (damaged / first).rename(damaged / "whole" / first)
    capsys.readouterr()
    assert main(["restop", third, "--patience", "1", "--out", str(damaged)]) == 2
    error = capsys.readouterr().err
    assert f"run {second} continues {first}, which is not in {damaged}" in error
    assert error.count("\n") == 1


def test_a_record_that_continues_itself_is_refused(
    damaged: Path, in_three: tuple[Report, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    second, third = (part.run.id for part in in_three[1:])
    file = damaged / second / "report.json"
    content = json.loads(file.read_text())
    content["run"]["resumed_from"]["run"] = third
    file.write_text(json.dumps(content))
    capsys.readouterr()
    assert main(["restop", third, "--patience", "1", "--out", str(damaged)]) == 2
    assert f"run {second} is said to continue {third}, which continues it" in capsys.readouterr().err


def test_a_killed_part_is_joined_from_its_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (str(tmp_path), *SMALL, "--epochs", "3", "--checkpoint-every", "3")
    child = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments], env=os.environ, capture_output=True, timeout=120
    )
    assert child.returncode == -9, child.stderr.decode()
    assert run(tmp_path, "--resume", "last") == 0
    killed, resumed = in_time(tmp_path)
    assert killed.run.status is RunStatus.PARTIAL
    found = restopped(tmp_path, capsys, resumed.run.id, "--patience", "9")
    assert found["epochs"] == 6
    assert found["repeated"]["epochs"] == 1
    assert 0 < found["repeated"]["energy_j"]["value"] < found["energy_j"]
    assert any(note.startswith(f"{killed.run.id} was killed") for note in found["notes"])
