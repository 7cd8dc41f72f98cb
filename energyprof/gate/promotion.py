"""Promoting runs to a baseline: by a person, with a reason, and never what failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from energyprof.errors import UsageError
from energyprof.gate.baseline import Baseline, noise_of
from energyprof.gate.budget import Budget, Level, Limit, MetricBudget
from energyprof.gate.case import Base
from energyprof.gate.check import judge_budget
from energyprof.gate.judgement import LEAST_RUNS
from energyprof.gate.observation import GateRun, Observation, observe
from energyprof.gate.sides import ended, mixture
from energyprof.gate.verdict import Outcome
from energyprof.record.model import RunStatus

__all__ = ["base_from", "promote"]


def promote(
    budget: Budget,
    runs: Sequence[GateRun],
    *,
    reason: str,
    promoted_at: str,
    present: Baseline | None = None,
    accept_regression: bool = False,
) -> Baseline:
    """Return the baseline that these runs make.

    Args:
        budget: what they are promoted for.
        runs: completed, unflagged, comparable with one another.
        reason: why these; kept in the file.
        promoted_at: ISO 8601 in UTC.
        present: the baseline that they would replace.
        accept_regression: promote although they fail against ``present``.

    Raises:
        UsageError: with the first reason why not.
    """
    seen = [observe(run, budget) for run in runs]
    for problem in (_unfit(budget, seen), _misses(budget, seen)):
        if problem:
            raise UsageError(f"not promoted to '{budget.name}': {problem}")
    if not reason.strip():
        raise UsageError(f"not promoted to '{budget.name}': say why with --reason")
    if present is not None and not accept_regression:
        _refuse_regression(budget, seen, present)
    shas = {_commit(run) for run in runs}
    return Baseline(
        budget=budget.name,
        promoted_at=promoted_at,
        reason=reason.strip(),
        git_sha=shas.pop() if len(shas) == 1 else None,
        target=budget.target,
        noise=noise_of(seen),
        runs=tuple(sorted(seen, key=lambda run: run.id)),
    )


def base_from(baseline: Baseline, shown: str | None = None) -> Base:
    """Return promoted runs as the side that others are held against."""
    return Base(runs=baseline.runs, shown=shown, target=baseline.target, promoted=True, noise=baseline.noise)


def _unfit(budget: Budget, runs: Sequence[Observation]) -> str | None:
    if not runs:
        return "none of the runs matches its select"
    unfinished = [run for run in runs if run.status is not RunStatus.COMPLETED]
    if unfinished:
        return ended(unfinished[0])
    flags = budget.policies.exclude_flags
    flagged = [(run, flag) for run in runs for flag in run.flags if flag in flags]
    if flagged:
        return f"run {flagged[0][0].id} carries the flag '{flagged[0][1]}': run it again"
    mixed = mixture(runs)
    if mixed:
        return mixed
    statistical = [e for e in budget.metrics if not e.deterministic and _relative_only(e).limits]
    if statistical and len(runs) < LEAST_RUNS:
        return f"{len(runs)} runs give no interval for '{statistical[0].metric.name}': {LEAST_RUNS} at least"
    return None


def _misses(budget: Budget, runs: Sequence[Observation]) -> str | None:
    """Return which absolute limit or needed figure the runs miss, or None."""
    for entry in budget.metrics:
        for run in runs:
            if run.value(entry.metric.name) is None:
                return f"run {run.id} has no {entry.metric.name}"
            if run.value(entry.metric.name) == float("inf"):
                return f"run {run.id} never reached the target"
    absolute = replace(budget, metrics=tuple(_enforced(_absolute_only(e)) for e in budget.metrics))
    verdict = judge_budget(absolute, runs, Base())
    for rule in verdict.rules:
        if rule.outcome is Outcome.INVALID or (rule.outcome is Outcome.FAIL and rule.enforced):
            return f"{rule.name}: {rule.message}"
    return None


def _refuse_regression(budget: Budget, runs: Sequence[Observation], present: Baseline) -> None:
    relative = replace(budget, metrics=tuple(_enforced(_relative_only(e)) for e in budget.metrics))
    verdict = judge_budget(relative, runs, base_from(present))
    failed = [rule for rule in verdict.rules if rule.outcome is Outcome.FAIL]
    if failed:
        raise UsageError(
            f"not promoted to '{budget.name}': they are a regression against the present baseline "
            f"({failed[0].name}: {failed[0].message}); if that is meant, add --accept-regression"
        )


def _commit(run: GateRun) -> str | None:
    environment = run.report.environment
    if environment.git_sha is None:
        return None
    return environment.git_sha + ("-dirty" if environment.git_dirty else "")


def _absolute_only(entry: MetricBudget) -> MetricBudget:
    return replace(entry, limits=_limits(entry, relative=False))


def _relative_only(entry: MetricBudget) -> MetricBudget:
    return replace(entry, limits=_limits(entry, relative=True))


def _limits(entry: MetricBudget, relative: bool) -> tuple[Limit, ...]:
    return tuple(limit for limit in entry.limits if limit.kind.is_relative is relative)


def _enforced(entry: MetricBudget) -> MetricBudget:
    return replace(entry, level=Level.ERROR)
