"""What ``energyprof run`` is asked for: an experiment, or one to be continued from its last checkpoint."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from energyprof.errors import RecordError, UsageError

if TYPE_CHECKING:
    from energyprof.record.model import ResumedFrom
    from learners.experiment import Experiment
    from learners.resumption import Checkpoint

__all__ = ["asked_experiment", "earlier_part"]


def asked_experiment(
    asked: Mapping[str, Any], given: Collection[str], resume: str | None, out: Path
) -> tuple[Experiment, Checkpoint | None]:
    """Return the experiment, and the checkpoint to go on from.

    Args:
        asked: fields of the experiment, defaults included.
        given: which of them stand on the command line.
        resume: what a person calls the run to continue, or None.
        out: the folder of all runs.

    Raises:
        UsageError: no learner is named, the run has completed, or something else is asked for than it was.
        RunNotFound: there is no such run.
        RecordError: it has no checkpoint, or one that cannot be read.
    """
    from energyprof.record.run_lookup import find_run
    from learners.experiment import Experiment
    from learners.resumption import open_checkpoint

    if resume is not None:
        folder = find_run(resume, out)
        _require_unfinished(folder)
        checkpoint = open_checkpoint(folder)
        return checkpoint.asked({name: asked[name] for name in asked if name in given}), checkpoint
    if asked["algo"] is None:
        raise UsageError("no learner is named: give --algo mf ('energyprof list algos'), or --resume RUN")
    return Experiment(**asked), None


def earlier_part(checkpoint: Checkpoint) -> ResumedFrom:
    """Return what is recorded of the runs that a checkpoint comes from."""
    from energyprof.analysis.continuation import together
    from energyprof.cli.training_parts import measured_report
    from energyprof.record.model import ResumedFrom

    part = ResumedFrom(
        run=checkpoint.run, stage=checkpoint.stage, epoch=checkpoint.epochs, passes=checkpoint.passes
    )
    try:
        report = measured_report(checkpoint.path.parent)
    except RecordError:
        return part
    energy_j, duration_s = together(report)
    return replace(part, energy_j=energy_j, duration_s=duration_s)


def _require_unfinished(folder: Path) -> None:
    from energyprof.record.model import RunStatus
    from energyprof.record.schema import read_report
    from energyprof.record.store import REPORT_JSON

    try:
        report = read_report(folder / REPORT_JSON)
    except RecordError:
        return  # killed before, or while, it wrote one: the checkpoint says enough
    if report.run.status is RunStatus.COMPLETED:
        raise UsageError(f"{report.run.id} has completed: there is nothing to continue, begin anew")
