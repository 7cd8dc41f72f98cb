"""From what a person calls runs to reports in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from energyprof.errors import RunNotFound, UsageError
from energyprof.gate.observation import GateRun, load_run
from energyprof.record.run_lookup import (
    REPORT_JSON,
    list_runs,
    named_paths,
    recorded_runs,
    report_of,
    tell_on_stderr,
)

__all__ = ["load_runs"]

_HINT: Final = "run something first, or name runs or their folder with --out"


def load_runs(
    references: Sequence[str], out: Path, tell: Callable[[str], object] = tell_on_stderr
) -> list[GateRun]:
    """Read runs; without references, all of a folder.

    Args:
        references: run folders, report files of any name, folders of runs, or unique prefixes of ids.
        out: the folder of all runs.
        tell: called with a sentence for each run in which nothing was recorded; the others are returned.

    Raises:
        RunNotFound: nothing of that name.
        RecordError: a report cannot be read.
        UsageError: the same run twice.
    """
    paths = recorded_runs(_found(references, out), tell)
    runs = [_load(path) for path in paths]
    _refuse_twice(runs, paths)
    return runs


def _found(references: Sequence[str], out: Path) -> list[Path]:
    """Return the run folders that references mean, and reports that stand alone."""
    if not references:
        found = list_runs(out)
        if not found:
            raise RunNotFound(f"no runs in '{out}': {_HINT}")
        return found
    return [path for reference in references for path in named_paths(reference, out)]


def _load(folder: Path) -> GateRun:
    if folder.is_file():
        return load_run(folder, folder.name)
    return load_run(report_of(folder), f"{folder.name}/{REPORT_JSON}")


def _refuse_twice(runs: Sequence[GateRun], paths: Sequence[Path]) -> None:
    seen: dict[str, Path] = {}
    for run, path in zip(runs, paths, strict=True):
        for mark in (run.id, run.digest):
            if mark in seen:
                raise UsageError(
                    f"run {run.id} is given twice ({seen[mark].name} and {path.name}): each run counts once"
                )
        seen.update({run.id: path, run.digest: path})
