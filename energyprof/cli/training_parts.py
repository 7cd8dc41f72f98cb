"""The runs that one training was done in: the one that is named, and those that it continues."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from energyprof.cli.named_runs import NamedRun, read_run
from energyprof.errors import RecordError, RunNotFound

if TYPE_CHECKING:
    from energyprof.record.model import Report

__all__ = ["measured_report", "training_parts"]


def training_parts(last: NamedRun) -> list[Report]:
    """Return the reports of a training's parts, oldest first; one alone where it was trained without a break.

    Args:
        last: its last part; the others lie beside that one's folder.

    Raises:
        RunNotFound: an earlier part is not there.
        RecordError: a part cannot be read, or continues itself.
    """
    parts = [_measured(last)]
    while (before := parts[0].run.resumed_from) is not None:
        if before.run in {part.run.id for part in parts}:
            raise RecordError(f"run {parts[0].run.id} is said to continue {before.run}, which continues it")
        beside = _beside(last.folder, parts[0].run.id, before.run)
        parts.insert(0, _measured(NamedRun(report=read_run(beside), folder=beside)))
    return parts


def measured_report(folder: Path) -> Report:
    """Return a run's report with its figures; worked out from its trace where the run was killed.

    Raises:
        RecordError: there is no report, or it or the trace cannot be read.
    """
    return _measured(NamedRun(report=read_run(folder), folder=folder))


def _measured(run: NamedRun) -> Report:
    from energyprof.analysis.summary import summarise
    from energyprof.record.model import RunStatus
    from energyprof.record.store import read_trace

    if run.folder is None or run.report.run.status is not RunStatus.PARTIAL:
        return run.report
    return summarise(read_trace(run.folder), run.report)


def _beside(folder: Path | None, run: str, earlier: str) -> Path:
    from energyprof.record.run_lookup import list_runs

    if folder is None:
        raise RunNotFound(f"run {run} continues {earlier}: name its run folder, beside that one's")
    runs = folder.resolve().parent
    found = next((path for path in list_runs(runs) if path.name == earlier), None)
    if found is None:
        raise RunNotFound(
            f"run {run} continues {earlier}, which is not in {runs}: put that folder back beside it; "
            "without it the training's curve begins in the middle"
        )
    return found
