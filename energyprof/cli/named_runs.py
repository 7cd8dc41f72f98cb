"""Runs as a person names them: a folder, an id, ``last``, a report file of any name, or a folder of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from energyprof.errors import RecordError, RunNotFound

if TYPE_CHECKING:
    from energyprof.record.model import Report

__all__ = ["NamedRun", "named_runs", "read_run", "run_folder"]

_OF_A_RUN: Final = ("report.json", "report.html", "steps.arrow", "samples.arrow", "metrics.arrow")
_TRACE: Final = "steps.arrow"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRun:
    """A run that was named.

    Attributes:
        folder: its run folder; None where the report was given alone, under a name of its own.
    """

    report: Report
    folder: Path | None = None


def named_runs(references: Sequence[str], out: Path) -> list[NamedRun]:
    """Read the reports that references mean.

    Args:
        references: run folders, report files of any name, unique prefixes of ids, ``last``, or folders of
            runs, which stand for all runs in them.
        out: the folder of all runs.

    Raises:
        RunNotFound: nothing of that name.
        RecordError: a report cannot be read.
    """
    return [run for reference in references for run in _named(reference, out)]


def run_folder(reference: str, out: Path) -> Path:
    """Return the folder of a run whose trace is wanted.

    Raises:
        RunNotFound: nothing of that name.
        RecordError: there is a report, but no trace beside it.
    """
    from energyprof.record.run_lookup import find_run

    path = Path(reference)
    folder = path.parent if path.is_file() else find_run(reference, out)
    foreign = path.is_file() and path.name not in _OF_A_RUN
    if foreign or not (folder / _TRACE).exists():
        raise RecordError(
            f"'{reference}' comes without a trace ({_TRACE} and its kin): name a whole run folder; a report "
            "alone can be compared and explained"
        )
    _refuse_empty(folder)
    return folder


def read_run(folder: Path) -> Report:
    """Read the report of a run folder.

    Raises:
        RecordError: it cannot be read, or the run was killed before there was one.
    """
    from energyprof.record.run_lookup import REPORT_JSON
    from energyprof.record.schema import read_report

    if not (folder / REPORT_JSON).exists():
        _refuse_empty(folder)
        raise RecordError(
            f"run {folder.name} has no {REPORT_JSON} (it was killed): energyprof report build {folder.name}"
        )
    return read_report(folder / REPORT_JSON)


def _refuse_empty(folder: Path) -> None:
    """Say of a run that was killed in its first moment that there is nothing to build a report from."""
    if not any(path.stat().st_size for path in folder.iterdir()):
        raise RecordError(
            f"run {folder.name} was stopped before anything was recorded: delete its folder {folder}"
        )


def _named(reference: str, out: Path) -> list[NamedRun]:
    from energyprof.record.run_lookup import find_run

    path = Path(reference)
    if path.is_file() and path.name not in _OF_A_RUN:
        return [_alone(path)]
    folders = _inside(path) if path.is_dir() else []
    return [
        NamedRun(report=read_run(folder), folder=folder) for folder in folders or [find_run(reference, out)]
    ]


def _alone(path: Path) -> NamedRun:
    """Read a report that was taken out of its folder; what lies beside it is another run's, if anything."""
    from energyprof.record.schema import read_report

    if path.suffix != ".json":
        raise RunNotFound(f"'{path}' is no report: name a run folder or its report.json")
    return NamedRun(report=read_report(path))


def _inside(folder: Path) -> list[Path]:
    """Return the runs in a folder of runs; none where it is itself a run.

    Raises:
        RunNotFound: it is neither.
    """
    from energyprof.record.run_lookup import list_runs

    if any((folder / name).exists() for name in ("report.json", _TRACE)):
        return []
    found = list_runs(folder)
    if not found:
        raise RunNotFound(f"no runs in '{folder}': it is no run folder, and no folder of runs")
    return found
