"""A learning rule of one's own, in a loop of one's own and as an installed learner, beside ours."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from energyprof.analysis.comparability import Strictness, differences
from energyprof.cli import main
from energyprof.record.schema import read_report
from energyprof.record.store import list_runs

EXAMPLES = Path(__file__).parents[2] / "examples"
OURS = ["run", "--algo", "mf", "--epochs", "3", "--threads", "1", "--idle", "0", "-q"]


def test_a_loop_of_ones_own_is_comparable_with_a_run_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["own_rule.py", "0"])
    runpy.run_path(str(EXAMPLES / "own_rule.py"), run_name="__main__")
    assert main(OURS) == 0
    reports = [read_report(run / "report.json") for run in list_runs(tmp_path / "reports")]
    found = differences(reports, across_learners=True)
    assert len(reports) == 2
    assert [str(d) for d in found if d.strictness is Strictness.REFUSE] == []
    assert all((report.quality.test_accuracy or 0) > 0.8 for report in reports)
    capsys.readouterr()
    assert main(["compare", "reports"]) == 0
    assert "All 2 runs may be compared" in capsys.readouterr().out


def test_an_installed_learner_is_trained_by_its_name(tmp_path: Path) -> None:
    project = tomllib.loads((EXAMPLES / "own_learner" / "pyproject.toml").read_text())["project"]
    ((name, target),) = project["entry-points"]["energyprof.learners"].items()
    installed = tmp_path / "site" / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1\n")
    (installed / "entry_points.txt").write_text(f"[energyprof.learners]\n{name} = {target}\n")
    (installed.parent / "delta_rule.py").write_text((EXAMPLES / "own_learner" / "delta_rule.py").read_text())
    paths = [str(installed.parent), str(EXAMPLES.parent), os.environ.get("PYTHONPATH", "")]
    words = [*OURS, "--algo", name, "--set", "rate=0.004"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "energyprof", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (run,) = list_runs(tmp_path / "reports")
    report = read_report(run / "report.json")
    assert (report.workload.algo, report.workload.config) == ("delta", {"rate": 0.004})
    assert {"train/forward", "train/local-update"} <= {phase.name for phase in report.phases}
