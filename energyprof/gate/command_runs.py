"""Runs made by commands: each turn of a sitting is a process of its own, in its side's folder."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from energyprof.errors import UsageError
from energyprof.gate.interleaving import Turn
from energyprof.gate.observation import GateRun, load_run
from energyprof.record.run_lookup import REPORT_JSON, list_runs

__all__ = ["CommandSide", "CommandTurns", "worktree"]

_SHA: Final = re.compile(r"[0-9a-f]{7,64}")
_NAME: Final = re.compile(r"[A-Za-z0-9][\w./-]*")
_AUTO_SHARE: Final = 0.1  # of the last run's length
_LONGEST_AUTO_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSide:
    """How one side is run.

    Attributes:
        command: ``{seed}`` and ``{out}`` in it are filled in. Without them ``energyprof run`` gets ``--seed``
            and ``--out``; anything else reads ENERGYPROF_SEED and ENERGYPROF_OUT.
        out: where its runs go.
        folder: where it is started.
        paths: put in front of PYTHONPATH.
    """

    command: str
    out: Path
    folder: Path
    paths: tuple[Path, ...] = ()

    def arguments(self, seed: int) -> list[str]:
        """Return the command's words for a seed.

        Raises:
            UsageError: it is empty, or its quotes do not match.
        """
        try:
            words = shlex.split(self.command)
        except ValueError as error:
            raise UsageError(f"cannot read the command '{self.command}': {error}") from error
        if not words:
            raise UsageError("the command is empty: give for example 'energyprof run --algo mf'")
        out = str(self.out.resolve())
        filled = [word.replace("{seed}", str(seed)).replace("{out}", out) for word in words]
        if filled[:2] == ["energyprof", "run"] or filled[1:4] == ["-m", "energyprof", "run"]:
            for option, value in (("--seed", str(seed)), ("--out", out)):
                if not any(word == option or word.startswith(f"{option}=") for word in filled):
                    filled += [option, value]
        return filled

    def environment(self, seed: int) -> dict[str, str]:
        """Return the environment for a seed."""
        parts = [*map(str, self.paths), *filter(None, [os.environ.get("PYTHONPATH")])]
        given = {"ENERGYPROF_SEED": str(seed), "ENERGYPROF_OUT": str(self.out.resolve())}
        return {**os.environ, **given, **({"PYTHONPATH": os.pathsep.join(parts)} if parts else {})}


@dataclass(slots=True)
class CommandTurns:
    """Makes the runs of a sitting.

    Args:
        sides: by name, ``base`` and ``head``.
        cooldown_s: seconds between two runs; None for a tenth of the last run, at most 30 s.
        progress: is told a line a run.
    """

    sides: Mapping[str, CommandSide]
    cooldown_s: float | None = None
    progress: Callable[[str], None] = lambda _line: None
    sleep: Callable[[float], None] = time.sleep
    _last_s: float = field(default=0.0, init=False)

    def perform(self, turn: Turn) -> GateRun:
        """Make one run and read its report.

        Raises:
            UsageError: the command fails, or does not write exactly one run.
        """
        side = self.sides[turn.side]
        before = set(list_runs(side.out))
        began = time.monotonic()
        self._start(turn, side)
        self._last_s = time.monotonic() - began
        written = [folder for folder in list_runs(side.out) if folder not in before]
        if len(written) != 1:
            raise UsageError(
                f"the {turn.side} command wrote {len(written)} runs, not one: let it write to {{out}} (or to "
                "the folder in ENERGYPROF_OUT)"
            )
        run = load_run(written[0] / REPORT_JSON, f"{written[0].name}/{REPORT_JSON}")
        self.progress(f"pair {turn.pair + 1} {turn.side} seed {turn.pair}: {self._last_s:.1f} s")
        return run

    def pause(self) -> None:
        """Let the machine cool down."""
        auto = min(_AUTO_SHARE * self._last_s, _LONGEST_AUTO_S)
        seconds = auto if self.cooldown_s is None else self.cooldown_s
        if seconds > 0:
            self.sleep(seconds)

    def _start(self, turn: Turn, side: CommandSide) -> None:
        words = side.arguments(turn.pair)
        try:
            done = subprocess.run(
                words,
                cwd=side.folder,
                env=side.environment(turn.pair),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
        except OSError as error:
            raise UsageError(
                f"cannot start the {turn.side} command '{words[0]}': {error.strerror}"
            ) from error
        if done.returncode:
            told = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
            raise UsageError(
                f"the {turn.side} command ended with {done.returncode} under seed {turn.pair}: {told}"
            )


@contextmanager
def worktree(reference: str) -> Iterator[Path]:
    """Check a commit out beside the working folder, and take it away afterwards.

    Raises:
        UsageError: there is no such commit, or no git.
    """
    with TemporaryDirectory(prefix="energyprof-base-") as place:
        tree = Path(place) / "tree"
        _require_commit(reference)
        _git("worktree", "add", "--detach", str(tree), reference)
        try:
            prefix = _git("rev-parse", "--show-prefix")
            yield tree / prefix
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _require_commit(reference: str) -> None:
    """Say what to fetch where a commit is not here: a build's checkout has one commit, no branches."""
    if not _started_git("rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}").returncode:
        return
    shallow = _git("rev-parse", "--is-shallow-repository") == "true"
    where = "this checkout, which is shallow" if shallow else "this checkout"
    raise UsageError(f"there is no commit '{reference}' in {where}: {_how_to_fetch(reference, shallow)}")


def _how_to_fetch(reference: str, shallow: bool) -> str:
    """Return the ways to a commit: the build's setting where history was cut off, git's own words else."""
    ways = ["fetch-depth: 0 (GitHub), GIT_DEPTH: 0 (GitLab)"] if shallow else []
    remotes = _git("remote").split()
    remote, _, branch = reference.partition("/")
    if remote in remotes:
        ways.append(f"git fetch {remote} {branch}:refs/remotes/{reference}")
    elif remotes and _SHA.fullmatch(reference):
        ways.append(f"git fetch {remotes[0]} {reference}")
    elif remotes and _NAME.fullmatch(reference):
        ways.append(f"git fetch {remotes[0]} {reference}:{reference}")
    return (
        f"if it is no slip, fetch it first: {', or '.join(ways)}"
        if ways
        else "git log --all lists those it has"
    )


def _git(*arguments: str) -> str:
    done = _started_git(*arguments)
    if done.returncode:
        told = (done.stderr.strip() or "no message").splitlines()[-1]
        raise UsageError(f"git {arguments[0]} {arguments[1]} failed: {told}")
    return done.stdout.strip()


def _started_git(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        raise UsageError(f"cannot run git: {error.strerror}") from error
