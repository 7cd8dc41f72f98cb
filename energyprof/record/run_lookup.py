"""Where runs lie on disk. Imports no numpy, so that commands which only read reports start at once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from energyprof.errors import RecordError, RunNotFound

__all__ = [
    "REPORT_JSON",
    "find_run",
    "is_run",
    "list_runs",
    "lone_report",
    "named_paths",
    "recorded_runs",
    "report_of",
    "require_recorded",
    "tell_on_stderr",
]

REPORT_JSON: Final = "report.json"
_OF_A_RUN: Final = frozenset(
    {REPORT_JSON, "report.html", "steps.arrow", "samples.arrow", "metrics.arrow", "device.arrow"}
)


def list_runs(out: Path) -> list[Path]:
    """Return the run folders in a folder, oldest first: those that hold a report or a trace."""
    if not out.is_dir():
        return []
    return sorted(path for path in out.iterdir() if is_run(path))


def is_run(folder: Path) -> bool:
    """Tell whether a folder is a run's: it has a report, or a trace."""
    return folder.is_dir() and any((folder / name).exists() for name in (REPORT_JSON, "steps.arrow"))


def require_recorded(folder: Path) -> None:
    """Refuse a run that was stopped, or is, in its first moment: there is nothing to build a report from.

    Raises:
        RecordError: all of its files are empty.
    """
    if _never_recorded(folder):
        raise RecordError(
            f"run {folder.name} was stopped before anything was recorded: delete its folder {folder}"
        )


def report_of(folder: Path) -> Path:
    """Return the report of a run folder.

    Raises:
        RecordError: the run was killed before there was one.
    """
    report = folder / REPORT_JSON
    if not report.exists():
        require_recorded(folder)
        raise RecordError(
            f"run {folder.name} has no {REPORT_JSON} (it was killed): energyprof report build {folder.name}"
        )
    return report


def tell_on_stderr(told: str) -> None:
    """Print a note beside a command's result."""
    print(f"note: {told}", file=sys.stderr)


def recorded_runs(paths: Sequence[Path], tell: Callable[[str], object]) -> list[Path]:
    """Leave out runs that were stopped before anything was recorded, where there are others.

    Args:
        paths: run folders, and reports that stand alone.
        tell: called with a sentence for each that is left out.
    """
    blank = {path for path in paths if path.is_dir() and _never_recorded(path)}
    if len(blank) == len(set(paths)):
        return list(paths)
    for path in sorted(blank):
        tell(f"run {path.name} was stopped before anything was recorded, and is left out: delete its folder")
    return [path for path in paths if path not in blank]


def named_paths(reference: str, out: Path) -> list[Path]:
    """Return what a reference means: run folders, or a report that stands alone.

    Args:
        reference: a run folder, a report file of any name, a unique prefix of an id, ``last``, or a folder
            of runs, which stands for all runs in it.
        out: the folder of all runs.

    Raises:
        RunNotFound: nothing of that name, or a folder that is no run and holds none.
    """
    alone, path = lone_report(reference), Path(reference)
    if alone is not None:
        return [alone]
    if not path.is_dir() or is_run(path):
        return [find_run(reference, out)]
    found = list_runs(path)
    if not found:
        raise RunNotFound(f"no runs in '{path}': it is no run folder, and no folder of runs")
    return found


def lone_report(reference: str) -> Path | None:
    """Return the report that a reference means where it is a file under a name of its own, else None.

    It was taken out of its run folder: what lies beside it is another run's, if anything.

    Raises:
        RunNotFound: it is a file of another kind.
    """
    path = Path(reference)
    if not path.is_file() or path.name in _OF_A_RUN:
        return None
    if path.suffix != ".json":
        raise RunNotFound(f"'{path}' is no report: name a run folder or its {REPORT_JSON}")
    return path


def find_run(reference: str, out: Path) -> Path:
    """Resolve what a person calls a run to its folder.

    Args:
        reference: a run folder, its ``report.json``, or a unique prefix of its id; ``last`` is the newest.
        out: the folder of all runs.

    Raises:
        RunNotFound: there is none, or more than one; or it is a report under another name.
    """
    path = Path(reference)
    if lone_report(reference):
        raise RunNotFound(f"'{path}' is a report without its run folder: name the folder, or what it holds")
    if path.is_file():
        return path.parent
    if is_run(path):
        return path
    runs = list_runs(out)
    if reference == "last" and runs:
        return runs[-1]
    matches = [run for run in runs if run.name.startswith(reference)] if reference else []
    if len(matches) == 1:
        return matches[0]
    if matches:
        some = ", ".join(run.name for run in matches[:3])
        raise RunNotFound(
            f"'{reference}' names {len(matches)} runs in {out} ({some}, ...): give more of the id"
        )
    newest = f"; the newest is {runs[-1].name}" if runs else ""
    raise RunNotFound(f"no run '{reference}': no such folder, and no id in {out} begins with it{newest}")


def _never_recorded(folder: Path) -> bool:
    return not any(path.stat().st_size for path in folder.iterdir())
