from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from energyprof.errors import UsageError
from energyprof.gate.command_runs import worktree


def git(folder: Path, *words: str) -> str:
    named = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *named, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """Return a repository with two commits on main and a branch beside it."""
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "-q")
    for text in ("one", "two"):
        (folder / "file").write_text(text)
        git(folder, "add", "file")
        git(folder, "commit", "-q", "-m", text)
    git(folder, "branch", "work")
    return folder


@pytest.fixture
def shallow(origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return what a build machine has: the last commit of one branch; made the working folder."""
    git(tmp_path, "clone", "-q", "--depth", "1", "--branch", "work", origin.as_uri(), "shallow")
    monkeypatch.chdir(tmp_path / "shallow")
    return tmp_path / "shallow"


def refusal(reference: str) -> str:
    with pytest.raises(UsageError) as caught, worktree(reference):
        pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_commit_that_a_shallow_checkout_lacks_says_so_and_what_to_fetch(shallow: Path) -> None:
    told = refusal("origin/main")
    assert "no commit 'origin/main' in this checkout, which is shallow" in told
    assert "fetch-depth: 0 (GitHub), GIT_DEPTH: 0 (GitLab), or git fetch" in told


@pytest.mark.parametrize("reference", ["origin/main", "main"])
def test_the_command_that_the_message_names_brings_the_commit(shallow: Path, reference: str) -> None:
    command = refusal(reference).rpartition(", or ")[2]
    assert command.startswith("git fetch origin main:")
    git(shallow, *command.split()[1:])
    with worktree(reference) as tree:
        assert (tree / "file").read_text() == "two"


def test_a_commit_is_fetched_by_its_hash(shallow: Path, origin: Path) -> None:
    first = git(origin, "rev-parse", "main~1")
    assert refusal(first).endswith(f"or git fetch origin {first}")
    assert refusal("HEAD~1").endswith("fetch it first: fetch-depth: 0 (GitHub), GIT_DEPTH: 0 (GitLab)")


def test_a_slip_in_a_whole_repository_without_remotes_names_no_fetch(
    origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(origin)
    assert refusal("mian") == "there is no commit 'mian' in this checkout: git log --all lists those it has"


def test_a_folder_of_no_repository_is_what_git_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert "not a git repository" in refusal("main")
