"""What is said of a machine, also where it hides itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psutil
import pytest

from energyprof.record.environment import collect_environment, shorten_home


def test_the_home_folder_is_shortened_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert shorten_home("train.py --out /home/somebody/runs") == "train.py --out ~/runs"


def test_a_user_without_a_home_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert shorten_home("train.py") == "train.py"


def test_a_machine_that_hides_its_memory_has_none_in_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    def hidden() -> None:
        raise FileNotFoundError("/proc/meminfo")

    monkeypatch.setattr(psutil, "virtual_memory", hidden)
    environment = collect_environment()
    assert environment.memory_bytes is None
    assert environment.logical_cpus == os.cpu_count()


def test_the_users_repository_is_looked_at_without_a_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "core.quotePath=false")
    for command in (("init", "-q"), ("commit", "-q", "--allow-empty", "-m", "first")):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    clean = collect_environment()
    assert clean.git_sha is not None
    assert clean.git_dirty is False
    odd = os.fsdecode(b"caf\xe9.txt")  # no UTF-8
    (tmp_path / odd).write_text("a")
    subprocess.run([*git, "config", "core.quotePath", "false"], check=True)
    subprocess.run([*git, "add", "--all"], check=True)
    (tmp_path / ".git" / "index.lock").touch()  # the user's own git is at work
    changed = collect_environment()
    assert changed.git_dirty is True
    assert changed.git_sha == clean.git_sha
