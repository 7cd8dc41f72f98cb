"""Budgets written in code instead of a file: the limits of a test, judged as any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from energyprof.errors import UsageError
from energyprof.gate.budget import Budget, Level, Limit, LimitKind, MetricBudget, Policies, Policy
from energyprof.gate.case import Base
from energyprof.gate.check import judge_budget
from energyprof.gate.metric import Metric, metric_named
from energyprof.gate.observation import GateRun, observe
from energyprof.gate.verdict import Verdict, verdict_of
from energyprof.record.model import Report
from energyprof.units import parse_quantity

__all__ = ["inline_budget", "judge_reports"]

#: A machine that cannot measure must not fail a test, and an inconclusive test is not a failed one.
_LENIENT: Final = Policies(on_missing_metric=Policy.WARN, on_inconclusive=Policy.WARN)
_STRICT: Final = Policies(on_missing_metric=Policy.ERROR, on_inconclusive=Policy.ERROR)


def inline_budget(
    name: str, limits: Mapping[str, str | float], *, enforced: bool = True, strict: bool = False
) -> Budget:
    """Make a budget of upper limits.

    Args:
        name: what it is called in messages.
        limits: metric name -> the most it may be, as text with a unit or in the canonical unit.
        enforced: whether breaking a limit fails, or only warns.
        strict: whether not being able to tell fails too.

    Raises:
        UsageError: an unknown metric, a unit that does not fit, or no limit at all.
    """
    if not limits:
        raise UsageError(f"'{name}' has no limit: give for example max='20 J'")
    level = Level.ERROR if enforced else Level.WARN
    entries = [_entry(metric_named(metric), amount, level) for metric, amount in limits.items()]
    return Budget(
        name=name,
        metrics=tuple(entries),
        policies=_STRICT if strict else _LENIENT,
        unguarded="written in code",
    )


def judge_reports(budget: Budget, reports: Sequence[Report]) -> Verdict:
    """Judge runs that are still in memory."""
    runs = [GateRun(report=report, digest=report.run.id) for report in reports]
    return verdict_of([judge_budget(budget, [observe(run, budget) for run in runs], Base())])


def _entry(metric: Metric, amount: str | float, level: Level) -> MetricBudget:
    value = _amount(metric, amount)
    if metric.is_accuracy or not value > 0:
        raise UsageError(
            f"'{metric.name}' at most {amount}: give a limit above zero on what is better when low"
        )
    limit = Limit(kind=LimitKind.MAX, value=value, text=str(amount))
    return MetricBudget(
        metric=metric, limits=(limit,), level=level, guard=False, deterministic=metric.deterministic
    )


def _amount(metric: Metric, amount: str | float) -> float:
    if isinstance(amount, bool) or not isinstance(amount, str | int | float):
        raise UsageError(f"'{metric.name}' is limited to {amount!r}: give a number or text such as '20 J'")
    if not isinstance(amount, str):
        return float(amount)
    try:
        return float(amount) if metric.dimension == "count" else parse_quantity(amount, metric.dimension)
    except ValueError as error:
        raise UsageError(f"'{amount}' is not a plain number: '{metric.name}' has no unit") from error
