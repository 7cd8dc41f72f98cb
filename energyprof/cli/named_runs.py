"""Runs as a person names them: a folder, an id, ``last``, a report file of any name, or a folder of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from energyprof.errors import RecordError

if TYPE_CHECKING:
    from energyprof.record.model import Report

__all__ = ["NamedRun", "named_runs", "read_run", "run_folder"]

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
    """Read the reports that references mean; of a run without anything in it among others, tell on stderr.

    Args:
        references: run folders, report files of any name, unique prefixes of ids, ``last``, or folders of
            runs, which stand for all runs in them.
        out: the folder of all runs.

    Raises:
        RunNotFound: nothing of that name.
        RecordError: a report cannot be read.
    """
    from energyprof.record.run_lookup import named_paths, recorded_runs, tell_on_stderr

    found = [path for reference in references for path in named_paths(reference, out)]
    return [_read(path) for path in recorded_runs(found, tell_on_stderr)]


def run_folder(reference: str, out: Path) -> Path:
    """Return the folder of a run whose trace is wanted.

    Raises:
        RunNotFound: nothing of that name.
        RecordError: there is a report, but no trace beside it.
    """
    from energyprof.record.run_lookup import find_run, lone_report, require_recorded

    folder = None if lone_report(reference) else find_run(reference, out)
    if folder is None or not (folder / _TRACE).exists():
        raise RecordError(
            f"'{reference}' comes without a trace ({_TRACE} and its kin): name a whole run folder; a report "
            "alone can be compared and explained"
        )
    require_recorded(folder)
    return folder


def read_run(folder: Path) -> Report:
    """Read the report of a run folder.

    Raises:
        RecordError: it cannot be read, or the run was killed before there was one.
    """
    from energyprof.record.run_lookup import report_of
    from energyprof.record.schema import read_report

    return read_report(report_of(folder))


def _read(path: Path) -> NamedRun:
    from energyprof.record.schema import read_report

    return (
        NamedRun(report=read_report(path)) if path.is_file() else NamedRun(report=read_run(path), folder=path)
    )
