"""The runs that one training was done in: the one that is named, and those that it continues."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from energyprof.errors import RecordError, RunNotFound

if TYPE_CHECKING:
    from energyprof.record.model import Report

__all__ = ["measured_report", "training_parts"]


def training_parts(folder: Path) -> list[Report]:
    """Return the reports of a training's parts, oldest first; one alone where it was trained without a break.

    Args:
        folder: of the last part; the others lie beside it.

    Raises:
        RunNotFound: an earlier part is not there.
        RecordError: a part cannot be read, or continues itself.
    """
    parts = [measured_report(folder)]
    while (before := parts[0].run.resumed_from) is not None:
        if before.run in {part.run.id for part in parts}:
            raise RecordError(f"run {parts[0].run.id} is said to continue {before.run}, which continues it")
        parts.insert(0, measured_report(_beside(folder, parts[0].run.id, before.run)))
    return parts


def measured_report(folder: Path) -> Report:
    """Return a run's report with its figures; worked out from its trace where the run was killed.

    Raises:
        RecordError: there is no report, or it or the trace cannot be read.
    """
    from energyprof.analysis.summary import summarise
    from energyprof.cli.compare import read_run
    from energyprof.record.model import RunStatus
    from energyprof.record.store import read_trace

    report = read_run(folder)
    return summarise(read_trace(folder), report) if report.run.status is RunStatus.PARTIAL else report


def _beside(folder: Path, run: str, earlier: str) -> Path:
    from energyprof.record.run_lookup import list_runs

    runs = folder.resolve().parent
    found = next((path for path in list_runs(runs) if path.name == earlier), None)
    if found is None:
        raise RunNotFound(
            f"run {run} continues {earlier}, which is not in {runs}: put that folder back beside it; "
            "without it the training's curve begins in the middle"
        )
    return found
