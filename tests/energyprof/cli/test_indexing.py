from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from energyprof.cli import main
from energyprof.record.store import list_runs

QUICK = ("--epochs", "1", "--idle", "0", "--threads", "1", "--arch", "mlp:8", "--quiet")


def test_a_run_from_the_command_line_stands_in_the_index(tmp_path: Path) -> None:
    for seed in ("0", "1"):
        assert main(["run", "--algo", "bp", "--seed", seed, "--out", str(tmp_path), *QUICK]) == 0
    index = (tmp_path / "index.html").read_text("utf-8")
    assert all(folder.name in index for folder in list_runs(tmp_path))
    assert len(list_runs(tmp_path)) == 2


def test_a_broken_budget_file_costs_the_marks_and_is_said_but_no_run(
    two_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shutil.copytree(two_runs, tmp_path / "reports")
    (tmp_path / "energyprof.toml").write_text("[")
    monkeypatch.chdir(tmp_path)
    assert main(["report", "open", "last", "--print", "--out", str(out)]) == 0
    assert "was not rebuilt: energyprof.toml" in capsys.readouterr().err
    assert main(["report", "index", "--out", str(out)]) == 2
