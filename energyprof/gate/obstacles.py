"""What stands in the way of judging a limit at all; looked for before any statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from energyprof.gate.budget import Limit, MetricBudget
from energyprof.gate.case import Case
from energyprof.gate.judgement import Finding
from energyprof.gate.metric import TARGET_METRICS, Metric
from energyprof.gate.observation import Observation
from energyprof.gate.verdict import Outcome, Reason

__all__ = ["find_obstacle"]

_LOGGED: Final = ("train_accuracy", "validation_accuracy", "test_accuracy", "train_loss", "validation_loss")
_MOST_NAMED: Final = 5  # runs, in a command that is shown


def find_obstacle(case: Case, entry: MetricBudget, limit: Limit) -> Finding | None:
    """Return why a limit cannot be judged at all, or None; the first reason that a reader must mend."""
    metric, relative = entry.metric, limit.kind.is_relative
    if not case.head.kept and not case.head.excluded:
        wanted = ", ".join(f"{key} = {value}" for key, value in case.budget.select.items()) or "anything"
        return _invalid(Reason.MISSING_RUNS, f"no run matches this budget (it selects {wanted})")
    if case.head.unfit is not None:
        return _invalid(Reason.UNFIT_RUNS, case.head.unfit)
    if relative:
        obstacle = _base_obstacle(case, entry)
        if obstacle is not None:
            return obstacle
    differing = case.refusals(metric, entry.deterministic, relative)
    if differing:
        return _invalid(Reason.INCOMPARABLE, "not comparable: " + "; ".join(map(str, differing[:3])))
    sides = (("head", case.head.kept), ("base", case.base.kept))
    for name, runs in sides if relative else sides[:1]:
        obstacle = _value_obstacle(case, entry, name, runs)
        if obstacle is not None:
            return obstacle
    return None


def _base_obstacle(case: Case, entry: MetricBudget) -> Finding | None:
    if case.given.missing is not None:
        return _invalid(Reason.MISSING_BASELINE, case.given.missing)
    if case.shared:
        return _invalid(Reason.SAME_RUN, _shared_text(case))
    if case.base.unfit is not None:
        return _invalid(Reason.UNFIT_RUNS, case.base.unfit)
    if (
        entry.metric.name in TARGET_METRICS
        and case.given.promoted
        and case.given.target != case.budget.target
    ):
        return _invalid(
            Reason.INCOMPARABLE, "not comparable: the baseline was promoted with another target; promote anew"
        )
    return None


def _shared_text(case: Case) -> str:
    """Say which runs can be checked: those that are not promoted; where all are, they must be made first."""
    ids = [*(run.id for run in case.head.kept), *(note.id for note in case.head.excluded)]
    new = [name for name in ids if name not in case.shared]
    if new:
        words = new if len(new) <= _MOST_NAMED else ["RUN..."]
        how = f"check only those that are not its baseline:  energyprof check {' '.join(words)}"
    else:
        how = "all are in the baseline; make new runs, and check those by name:  energyprof check RUN..."
    return f"the same run stands on both sides ({case.shared[0]}): {how}"


def _value_obstacle(
    case: Case, entry: MetricBudget, side: str, runs: Sequence[Observation]
) -> Finding | None:
    metric = entry.metric
    for run in runs:
        reading = run.readings.get(metric.name)
        if reading is None:
            reason = Reason.MISSING_METRIC if side == "head" else Reason.MISSING_BASELINE
            mend = (
                ": promote runs that have it"
                if side == "base" and case.given.promoted
                else _source(case, metric)
            )
            return _invalid(reason, f"{side} run {run.id} has no {metric.name} ({metric.meaning}){mend}")
        if not metric.fits(reading.value):
            seen = f"{metric.name} {reading.value:g}" + (f" ({reading.place})" if reading.place else "")
            must = "it must be from 0 to 1" if metric.is_accuracy else "it must be above zero"
            return _invalid(Reason.UNFIT_VALUES, f"{side} run {run.id} has {seen}: {must}")
    return None


def _source(case: Case, metric: Metric) -> str:
    """Say where a figure that a run lacks comes from, where that is in the hands of who made it."""
    if metric.name in TARGET_METRICS and case.budget.target is not None:
        return f": log {case.budget.target.metric} with prof.log(...) inside prof.epoch(...)"
    if metric.name in _LOGGED:
        return f": log it with prof.log({metric.name}=...)"
    return ": 'energyprof doctor' says what this machine can measure" if metric.energy else ""


def _invalid(reason: Reason, because: str) -> Finding:
    return Finding(outcome=Outcome.INVALID, reason=reason, because=because)
