"""What the README says is run, and its links lead somewhere."""

from __future__ import annotations

import glob
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from energyprof.cli import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")

_NEED_MORE = (
    "check",
    "ab",
    "baseline",
    "plan",
    "calibrate",
)  # a budget, git, many runs, a GPU: tested elsewhere

_ELSEWHERE = {"mnist", "--prove", "--resume", "serve"}  # data, time, a killed run, no end: tested elsewhere


def commands() -> list[list[str]]:
    """Return the commands of the README's code blocks, comments left out."""
    blocks = re.findall(r"```\n(.*?)```", README, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("energyprof ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


def test_the_commands_of_the_readme_work_in_an_empty_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("typer.launch", lambda _url: 0)
    ran = 0
    for command in commands():
        if _ELSEWHERE & set(command) or command[0] in _NEED_MORE:
            continue
        arguments = [path for word in command for path in (sorted(glob.glob(word)) or [word])]
        small = ["--epochs", "2", "--idle", "0", "--threads", "1"] if command[0] == "run" else []
        assert main([*arguments, *small]) == 0, f"{command}: {capsys.readouterr().err}"
        ran += 1
    assert ran >= 9


def test_every_command_of_the_readme_is_known() -> None:
    from energyprof.cli.app import app

    known = {c.name for c in app.registered_commands} | {g.name for g in app.registered_groups}
    assert {command[0] for command in commands()} <= known


def test_links_of_the_readme_lead_to_files() -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_no_command_is_missing_from_the_readme() -> None:
    from energyprof.cli.app import app

    names = [c.name or "" for c in app.registered_commands] + [g.name or "" for g in app.registered_groups]
    assert [name for name in names if f"energyprof {name}" not in README] == []


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.name)
def test_examples_run(example: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(example)], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "report.html" in done.stdout


def test_committed_files_name_no_machine_and_no_registry() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    hosts = ("pypi" + ".org", "files.pythonhosted" + ".org", "registry.npmjs" + ".org", "deb.debian" + ".org")
    homes = re.compile(r"(^|[^a-zA-Z0-9_.])/(wo" + r"rk|root|fa" + r"rm)/")
    found = []
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix in (".png", ".npz", ".arrow", ".gz") or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if any(host in text for host in hosts) or homes.search(text):
            found.append(name)
    assert found == []
