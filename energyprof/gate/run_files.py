"""From what a person calls runs to reports in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from energyprof.errors import RecordError, RunNotFound, UsageError
from energyprof.gate.observation import GateRun, load_run
from energyprof.record.run_lookup import REPORT_JSON, find_run, list_runs

__all__ = ["load_runs", "run_folders"]

_HINT: Final = "run something first, or name runs or their folder with --out"


def load_runs(references: Sequence[str], out: Path) -> list[GateRun]:
    """Read runs; without references, all of a folder.

    Args:
        references: run folders, ``report.json`` files, folders of runs, or unique prefixes of ids.
        out: the folder of all runs.

    Raises:
        RunNotFound: nothing of that name.
        RecordError: a report cannot be read.
        UsageError: the same run twice.
    """
    folders = run_folders(references, out)
    runs = [_load(folder) for folder in folders]
    _refuse_twice(runs, folders)
    return runs


def run_folders(references: Sequence[str], out: Path) -> list[Path]:
    """Return the folders that references mean, see :func:`load_runs`."""
    if not references:
        found = list_runs(out)
        if not found:
            raise RunNotFound(f"no runs in '{out}': {_HINT}")
        return found
    return [folder for reference in references for folder in _resolve(reference, out)]


def _resolve(reference: str, out: Path) -> list[Path]:
    path = Path(reference)
    inside = list_runs(path) if path.is_dir() and not (path / REPORT_JSON).exists() else []
    return inside or [find_run(reference, out)]


def _load(folder: Path) -> GateRun:
    path = folder / REPORT_JSON
    if not path.exists():
        raise RecordError(
            f"run {folder.name} has no {REPORT_JSON} (it was killed): energyprof report build {folder.name}"
        )
    return load_run(path, f"{folder.name}/{REPORT_JSON}")


def _refuse_twice(runs: Sequence[GateRun], folders: Sequence[Path]) -> None:
    seen: dict[str, Path] = {}
    for run, folder in zip(runs, folders, strict=True):
        for mark in (run.id, run.digest):
            if mark in seen:
                raise UsageError(
                    f"run {run.id} is given twice ({seen[mark].name} and {folder.name}): each run counts once"
                )
        seen.update({run.id: folder, run.digest: folder})
