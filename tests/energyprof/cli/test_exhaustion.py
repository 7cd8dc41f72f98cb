"""``energyprof run`` where memory runs out: a failed run with its figures, code 1, and advice."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest
import torch

from energyprof.cli import main
from energyprof.cli.live import LineView
from energyprof.record.model import Provenance, RunStatus
from energyprof.record.schema import read_report
from energyprof.record.store import list_runs
from learners import experiment

SMALL = ("--algo", "bp", "--arch", "mlp:8", "--epochs", "2", "--idle", "0", "--threads", "1")


def of_python() -> NoReturn:
    raise MemoryError


def of_numpy() -> NoReturn:
    raise MemoryError("Unable to allocate 8.00 TiB for an array")


def of_torch_on_the_cpu() -> NoReturn:
    raise AssertionError(f"this machine has a pebibyte: {torch.empty(1 << 50, dtype=torch.uint8).shape}")


def of_torch_on_cuda() -> NoReturn:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nSee the documentation")


@pytest.mark.parametrize(
    ("happens", "seen"),
    [
        (of_python, "memory ran out: take a smaller --batch-size"),
        (of_numpy, "memory ran out (Unable to allocate 8.00 TiB for an array): take"),
        (of_torch_on_the_cpu, "DefaultCPUAllocator: can't allocate memory"),
        (of_torch_on_cuda, "memory ran out (CUDA out of memory. Tried to allocate 20.00 GiB.): take"),
    ],
)
def test_memory_that_runs_out_fails_the_run_and_is_no_defect(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    happens: object,
    seen: str,
) -> None:
    monkeypatch.setattr(LineView, "epoch_ended", lambda _view, _epoch: happens())  # type: ignore[operator]
    assert main(["run", "--out", str(tmp_path), *SMALL]) == 1
    printed = capsys.readouterr()
    last = printed.err.splitlines()[-1]
    assert last.startswith("error: memory ran out")
    assert seen in last
    assert "defect" not in printed.err
    assert "Failed: this run" in printed.out
    (folder,) = list_runs(tmp_path)
    report = read_report(folder / "report.json")
    assert report.run.status is RunStatus.FAILED
    assert (report.run.error or "").startswith(("MemoryError", "RuntimeError", "OutOfMemoryError"))
    assert len(report.epochs) == 1
    assert report.totals.energy_j.source is not Provenance.MISSING


def test_before_anything_runs_it_is_told_the_same_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(experiment, "measure_memory", lambda *_: of_numpy())
    assert main(["run", "--out", str(tmp_path), *SMALL]) == 1
    assert "error: memory ran out (Unable to allocate" in capsys.readouterr().err
    assert list_runs(tmp_path) == []


def test_another_error_of_the_same_class_is_still_a_defect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_view: LineView, _epoch: object) -> NoReturn:
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr(LineView, "epoch_ended", broken)
    assert main(["run", "--out", str(tmp_path), *SMALL]) == 70
    assert "this is a defect in energyprof" in capsys.readouterr().err
