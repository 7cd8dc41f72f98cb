"""The repository in small under ``examples/ci``, exercised as a team and its CI would."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from energyprof.cli import main

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "ci"


class Repository:
    """A copy of the example."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def set(self, name: str, value: str) -> None:
        """Change a setting, as a pull request would."""
        path = self.folder / "settings.toml"
        text, count = re.subn(rf"(?m)^{name} = \S+", f"{name} = {value}", path.read_text())
        assert count == 1
        path.write_text(text)

    def train(self, seeds: Sequence[int] = range(5), session: str = "head") -> None:
        """Train in this process: the script is quick, a new interpreter is not."""
        for seed in seeds:
            sys.argv = ["train.py", "--seed", str(seed), "--session", session]
            runpy.run_path(str(self.folder / "train.py"), run_name="__main__")

    def line(self, found: str) -> str:
        """Return the line of the budget file that an annotation names."""
        match = re.search(r"^::error file=energyprof\.toml,line=(\d+),", found, re.MULTILINE)
        assert match is not None, found
        return (self.folder / "energyprof.toml").read_text().splitlines()[int(match[1]) - 1]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    folder = tmp_path / "repository"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("reports"))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", sys.argv)
    return Repository(folder)


def test_unchanged_code_passes_against_the_promoted_baseline(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.train()
    assert main(["check"]) == 0
    assert capsys.readouterr().out.startswith("PASS: no enforced rule failed (6 judged).")


def test_a_regression_of_15_percent_fails_and_names_the_line(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.set("waste", "0.15")
    repository.train()
    assert main(["check", "--github"]) == 1
    told = capsys.readouterr().out
    assert "FAIL: 1 of 6 rules broken (digits-mf: energy_j max_increase)" in told
    assert repository.line(told) == 'max_increase = "5%"'


def test_a_broken_learner_fails_on_quality_although_it_is_cheaper(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.set("broken", "true")
    repository.train()
    assert main(["check", "--github"]) == 1
    told = capsys.readouterr().out
    assert "digits-mf: test_accuracy min" in told
    assert repository.line(told) == 'min = "95%"'
    assert "improved" not in told


def test_a_changed_protocol_is_refused_as_not_comparable(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.set("epochs", "4")
    repository.train()
    assert main(["check", "--github"]) == 4
    assert "not comparable: protocol.epochs: 4 / 5" in capsys.readouterr().out


def test_one_run_is_enough_for_what_is_deterministic(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    path = repository.folder / "train.py"
    path.write_text(path.read_text().replace("flops = 6.0", "flops = 6.01"))
    repository.train(seeds=[0])
    assert main(["check", "--github"]) == 1
    told = capsys.readouterr().out
    assert "digits-mf: flops_per_step max_increase" in told
    assert repository.line(told) == 'max_increase = "0%"'


def test_the_baseline_is_promoted_by_the_documented_command(repository: Repository) -> None:
    shutil.rmtree(repository.folder / "baselines")
    repository.train(session="first")
    assert main(["baseline", "promote", "--budget", "digits-mf", "--reason", "first", "reports"]) == 0
    shutil.rmtree(repository.folder / "reports")
    repository.train()
    assert main(["check", "-q"]) == 0


def test_the_budget_file_of_the_example_has_no_faults(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--lint"]) == 0
    assert capsys.readouterr().out == "energyprof.toml: 0 errors, 0 warnings\n"


# The workflows, step by step, as the shell of each would run them.


def environment(folder: Path, **more: str) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    git = {f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return {**os.environ, "PATH": path, "NO_COLOR": "1", "HOME": str(folder.parent), **git, **more}


def shell(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a step as GitHub's ``shell: bash`` does."""
    path = folder.parent / "step.sh"
    path.write_text(script)
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(path)],
        cwd=folder, env=environment(folder, **variables), capture_output=True, text=True, check=False,
    )  # fmt: skip


def expand(text: str, values: dict[str, str]) -> str:
    """Fill ``${{ ... }}`` in; what is not known is a mistake of the workflow."""
    return re.sub(r"\$\{\{\s*([\w.-]+)\s*\}\}", lambda match: values[match[1]], text)


def act(
    folder: Path, given: dict[str, str], source: Path = ROOT, **variables: str
) -> tuple[int, str, dict[str, str]]:
    """Run the steps of ``action.yml``; return the exit code, the log and the outputs."""
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    assert action["runs"]["using"] == "composite"
    inputs = {
        f"inputs.{name}": given.get(name, spec.get("default", "")) for name, spec in action["inputs"].items()
    }
    assert not set(given) - set(action["inputs"])
    values = {**inputs, "runner.temp": str(folder.parent / "temp"), "github.action_path": str(source)}
    output, summary = folder.parent / "output", folder.parent / "summary.md"
    for step in action["runs"]["steps"]:
        assert step["shell"] == "bash"
        if step.get("if") == "inputs.install == 'true'" and inputs["inputs.install"] != "true":
            continue
        own = {name: expand(value, values) for name, value in step.get("env", {}).items()}
        done = shell(
            step["run"],
            folder / expand(step.get("working-directory", "."), values),
            GITHUB_OUTPUT=str(output),
            GITHUB_STEP_SUMMARY=str(summary),
            **{**variables, **own},
        )
        if done.returncode:
            break
    written = dict(line.split("=", 1) for line in output.read_text().splitlines())
    declared = {
        name: written[re.fullmatch(r"\$\{\{ steps\.judge\.outputs\.([\w-]+) \}\}", spec["value"])[1]]  # type: ignore[index]
        for name, spec in action["outputs"].items()
    }
    return done.returncode, done.stdout + done.stderr, declared


@pytest.mark.parametrize(("waste", "code", "outcome"), [("0.0", 0, "pass"), ("0.15", 1, "fail")])
def test_the_hosted_job_runs_step_by_step(
    repository: Repository, waste: str, code: int, outcome: str
) -> None:
    repository.set("waste", waste)
    workflow = yaml.safe_load((EXAMPLE / ".github/workflows/energy.yml").read_text())
    install, train, check = workflow["jobs"]["hosted"]["steps"][2:]
    assert install["run"] == "python -m pip install --quiet energyprof"
    assert shell(train["run"], repository.folder).returncode == 0
    assert check["uses"].startswith("OWNER/energyprof@")
    found, log, outputs = act(repository.folder, check["with"])
    assert (found, outputs["exit-code"], outputs["outcome"]) == (code, str(code), outcome), log
    assert ("::error file=energyprof.toml" in log) == (code == 1)
    assert Path(outputs["verdict"]).exists()
    assert ET.parse(outputs["junit"]).getroot().get("failures") == str(code)
    assert (repository.folder.parent / "summary.md").read_text() == Path(outputs["markdown"]).read_text()


def test_the_action_installs_the_project_it_lies_in(repository: Repository, tmp_path: Path) -> None:
    pytest.importorskip("setuptools", minversion="77")
    source, target = tmp_path / "source", tmp_path / "target"
    for name in ("energyprof", "learners"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    repository.train()
    offline = {"PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_INDEX": "1"}  # 0: without it
    where = {"PIP_TARGET": str(target), "PYTHONPATH": str(target)}
    code, log, outputs = act(repository.folder, {}, source, **offline, **where)
    assert (code, outputs["outcome"]) == (0, "pass"), log
    assert (target / "energyprof" / "gate" / "check.py").is_file()


def test_the_action_passes_its_inputs_on(repository: Repository) -> None:
    (repository.folder / "energyprof.toml").rename(repository.folder / "other.toml")
    repository.train(seeds=[0, 1])
    given = {
        "install": "false",
        "config": "other.toml",
        "strict": "true",
        "runs": "reports/*-s0 reports/*-s1",
    }
    code, log, outputs = act(repository.folder, given)
    assert (code, outputs["outcome"]) == (3, "inconclusive"), log
    code, log, outputs = act(repository.folder, given | {"runs": "absent"})
    assert (code, outputs["outcome"], outputs["exit-code"]) == (2, "error", "2"), log
    code, log, _ = act(
        repository.folder.parent, given | {"working-directory": "repository", "config": "absent"}
    )
    assert "cannot read absent" in log
    hostile = given | {"config": "$(touch pwned); x"}
    act(repository.folder, hostile)
    assert not (repository.folder / "pwned").exists()


def test_the_gitlab_job_runs_step_by_step(repository: Repository) -> None:
    job: dict[str, Any] = yaml.safe_load((EXAMPLE / ".gitlab-ci.yml").read_text())["energy"]
    install, *script = job["script"]
    assert install == "python -m pip install --quiet energyprof"
    done = shell("\n".join(script), repository.folder)
    assert done.returncode == 0, done.stderr
    for path in (*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]):
        assert (repository.folder / path).exists()


def commit(folder: Path) -> None:
    """Make the folder a clone whose origin has the same main branch."""
    for line in (
        "init -q -b main",
        "add .",
        "commit -q -m base",
        "update-ref refs/remotes/origin/main main",
    ):
        subprocess.run(["git", *line.split()], cwd=folder, env=environment(folder), check=True)


def test_the_sitting_of_gitlab_runs_step_by_step(repository: Repository) -> None:
    job: dict[str, Any] = yaml.safe_load((EXAMPLE / ".gitlab-ci.yml").read_text())["energy-ab"]
    commit(repository.folder)
    repository.set("waste", "0.15")
    done = shell("\n".join(job["script"]), repository.folder, CI_MERGE_REQUEST_TARGET_BRANCH_NAME="main")
    assert done.returncode == 1, done.stderr
    assert "FAIL         energy_j max_increase  (energyprof.toml:16)" in done.stdout
    report = repository.folder / job["artifacts"]["reports"]["junit"]
    assert ET.parse(report).getroot().get("failures") == "1"


@pytest.mark.parametrize(("waste", "code"), [("0.0", 0), ("0.15", 1)])
def test_both_sides_run_in_one_sitting_from_a_worktree(repository: Repository, waste: str, code: int) -> None:
    commit(repository.folder)
    repository.set("waste", waste)
    steps = yaml.safe_load((EXAMPLE / ".github/workflows/energy.yml").read_text())["jobs"]["pinned-gpu"][
        "steps"
    ]
    values = {"github.base_ref": "main"}
    variables = {name: expand(value, values) for name, value in steps[1]["env"].items()}
    done = shell(steps[1]["run"], repository.folder, **variables)
    assert done.returncode == code, done.stdout + done.stderr
    assert "3 against 3 runs, paired" in done.stdout
    assert done.stderr.count(" seed ") == 6
    assert ET.parse(repository.folder / "ab.xml").getroot().get("failures") == str(code)
    left = subprocess.run(
        ["git", "worktree", "list"], cwd=repository.folder, capture_output=True, text=True, check=True
    )
    assert len(left.stdout.splitlines()) == 1
    assert main(["check", "-q", "--baseline", "sitting/base", "sitting/head"]) == code
    again = shell(steps[1]["run"], repository.folder, **variables)
    assert again.returncode == 2
    assert again.stderr.endswith(
        "'sitting' holds the runs of another sitting: remove it, or name another --out\n"
    )
