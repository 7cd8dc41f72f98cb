"""From budgets and runs to a verdict: quality first, comparability before statistics, policies last."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from energyprof.analysis.comparability import Strictness
from energyprof.analysis.repeated_seeds import repeated_seeds_text
from energyprof.analysis.statistics import Estimate, holm_levels
from energyprof.gate.budget import Budget, BudgetBook, Level, Limit, MetricBudget, Policies, Policy
from energyprof.gate.case import Base, Case, open_case
from energyprof.gate.judgement import (
    LEAST_RUNS,
    Finding,
    compare_sides,
    decide_relative,
    judge_exact_limit,
    judge_exact_relative,
    judge_limit,
    relative_limit,
)
from energyprof.gate.metric import TARGET_METRICS, Reading
from energyprof.gate.observation import GateRun, Observation, observe
from energyprof.gate.obstacles import find_obstacle
from energyprof.gate.reach import judge_infinite, judge_reach
from energyprof.gate.sides import Arrangement, select_runs
from energyprof.gate.verdict import (
    BudgetVerdict,
    Effect,
    Outcome,
    Reason,
    RuleVerdict,
    Verdict,
    verdict_of,
    worst,
)
from energyprof.gate.wording import finding_text

__all__ = ["check_budgets", "judge_budget"]

_REACH_RATE: Final = "reach_rate"  # a rule that no limit states: it comes with a target
BaseOf = Callable[[Budget, Sequence[Observation]], Base]


def check_budgets(
    book: BudgetBook,
    runs: Sequence[GateRun],
    base_of: BaseOf,
    *,
    strict: bool = False,
    planned_look: bool = False,
) -> Verdict:
    """Judge runs by all budgets.

    Args:
        book: the budgets.
        runs: the runs that are checked; each budget takes those it selects.
        base_of: finds what a budget's runs are held against.
        strict: whether not being able to tell counts.
        planned_look: whether this is one of several planned looks, each judged at a smaller level.
    """
    judged: list[BudgetVerdict] = []
    used: set[str] = set()
    for budget in book.budgets:
        chosen = select_runs(budget, runs)
        used.update(run.id for run in chosen)
        head = [observe(run, budget) for run in chosen]
        judged.append(judge_budget(budget, head, base_of(budget, head), book.noise, strict, planned_look))
    idle = [run.id for run in runs if run.id not in used]
    warnings = (
        [f"{_count(len(idle), 'run matches', 'runs match')} no budget: {', '.join(idle[:3])}"] if idle else []
    )
    return verdict_of(judged, file=book.file, strict=strict, warnings=warnings)


def judge_budget(
    budget: Budget,
    head: Sequence[Observation],
    base: Base,
    noise: Mapping[str, Mapping[str, float]] | None = None,
    strict: bool = False,
    planned_look: bool = False,
) -> BudgetVerdict:
    """Judge one budget; see :func:`check_budgets`."""
    case = open_case(budget, head, base, noise or {})
    alpha, one_sample_alpha = _look_levels(case) if planned_look else (budget.policies.alpha,) * 2
    drafts = list(_drafts(case, one_sample_alpha))
    levels = _levels(drafts, alpha)
    rules = [_rule(case, draft, alpha, level, strict) for draft, level in zip(drafts, levels, strict=True)]
    if any(rule.guard and rule.outcome is Outcome.FAIL for rule in rules):
        rules = [replace(rule, improved=False) for rule in rules]  # a broken learner improves nothing
    outcome, effect = worst(rules)
    return BudgetVerdict(
        name=budget.name,
        why=budget.why,
        outcome=outcome,
        effect=effect,
        line=budget.line,
        rules=tuple(rules),
        head_runs=tuple(run.id for run in case.head.kept),
        base_runs=tuple(run.id for run in case.base.kept),
        baseline=base.shown,
        excluded=(*case.head.excluded, *case.base.excluded),
        differences=tuple(str(d) for d in (*case.within, *case.between)),
        warnings=tuple(_warnings(case)),
    )


def _look_levels(case: Case) -> tuple[float, float]:
    """Return the levels of a planned look: of comparisons, and of the limits on one side."""
    policies, paired = case.budget.policies, case.arrangement is Arrangement.PAIRED
    return policies.look_alpha(one_sample=paired), policies.look_alpha(one_sample=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A rule on its way: either found, or an estimate that waits for its level."""

    entry: MetricBudget
    limit: Limit
    rule: str
    finding: Finding | None = None
    estimate: Estimate | None = None
    cap: Reason | None = None  # why it is not enforced, whatever its level


def _drafts(case: Case, alpha: float) -> Iterator[_Draft]:
    """Yield the rules in the order they are judged: quality guards first."""
    entries = sorted(case.budget.metrics, key=lambda entry: not entry.guard)
    reach_judged = False
    for entry in entries:
        if entry.level is Level.OFF:
            continue
        for limit in entry.limits:
            if entry.metric.name in TARGET_METRICS and limit.kind.is_relative and not reach_judged:
                reach_judged = True
                yield _reach_draft(case, entry, limit)
            yield _draft(case, entry, limit, alpha)


def _reach_draft(case: Case, entry: MetricBudget, limit: Limit) -> _Draft:
    finding = find_obstacle(case, entry, limit) or judge_reach(
        _values(case, case.base_runs, entry), _values(case, case.head_runs, entry)
    )
    return _Draft(entry=entry, limit=limit, rule=_REACH_RATE, finding=finding)


def _draft(case: Case, entry: MetricBudget, limit: Limit, alpha: float) -> _Draft:
    metric, runs = entry.metric, case.head_runs if limit.kind.is_relative else case.head.kept
    draft = _Draft(entry=entry, limit=limit, rule=limit.kind.value)
    obstacle = find_obstacle(case, entry, limit)
    if obstacle is not None:
        return replace(draft, finding=obstacle)
    readings = case.readings(runs, metric.name)
    draft = replace(draft, cap=_cap(case, entry, limit, readings))
    if not limit.kind.is_relative:
        if entry.deterministic:
            return replace(draft, finding=judge_exact_limit(limit, [r.value for r in readings]))
        found = judge_limit(metric, limit, readings, alpha, case.budget.policies.guard_band)
        return replace(draft, finding=found)
    base, head = _values(case, case.base_runs, entry), [r.value for r in readings]
    infinite = judge_infinite(base, head)
    if infinite is not None:
        return replace(draft, finding=infinite)
    if entry.deterministic:
        seeds = (case.by_seed(entry, case.base_runs), case.by_seed(entry, case.head_runs))
        return replace(draft, finding=judge_exact_relative(limit, *seeds))
    estimate = compare_sides(metric, case.samples(metric))
    if estimate is None:
        return replace(draft, finding=_too_few(len(base), len(head)))
    return replace(draft, estimate=estimate)


def _cap(case: Case, entry: MetricBudget, limit: Limit, readings: Sequence[Reading]) -> Reason | None:
    if not entry.metric.energy and entry.metric.dimension not in ("s",):
        return None
    base = case.readings(case.base_runs, entry.metric.name) if limit.kind.is_relative else []
    if any(reading.estimated for reading in (*readings, *base)):
        return Reason.ESTIMATED
    if limit.kind.is_relative and case.between_noise(entry.metric) is None:
        return Reason.UNKNOWN_NOISE
    return None


def _values(case: Case, runs: Sequence[Observation], entry: MetricBudget) -> list[float]:
    return [reading.value for reading in case.readings(runs, entry.metric.name)]


def _too_few(n_base: int, n_head: int) -> Finding:
    return Finding(
        outcome=Outcome.INCONCLUSIVE,
        reason=Reason.TOO_FEW_RUNS,
        because=f"{n_head} against {n_base} runs give no interval: {LEAST_RUNS} a side are the least",
        runs_needed=LEAST_RUNS,
    )


def _levels(drafts: Sequence[_Draft], alpha: float) -> list[float]:
    """Return the level at which each rule may fail: the primary's is full, the others share theirs (Holm)."""
    sharing = [i for i, draft in enumerate(drafts) if _shares(draft)]
    p_values = [_p_value(drafts[i]) for i in sharing]
    levels = [alpha] * len(drafts)
    for index, level in zip(sharing, holm_levels(p_values, alpha), strict=True):
        levels[index] = level
    return levels


def _shares(draft: _Draft) -> bool:
    enforced = draft.entry.level is Level.ERROR and draft.cap is None
    return draft.estimate is not None and enforced and not draft.entry.primary


def _p_value(draft: _Draft) -> float:
    assert draft.estimate is not None
    bound = relative_limit(draft.limit, draft.entry.metric.log)
    test = draft.estimate.p_above if draft.limit.kind.is_upper else draft.estimate.p_below
    return test(max(bound, 5e-324) if draft.entry.metric.log else bound)


def _rule(case: Case, draft: _Draft, alpha: float, alpha_fail: float, strict: bool) -> RuleVerdict:
    entry, limit, finding = draft.entry, draft.limit, draft.finding
    relative = limit.kind.is_relative
    if finding is None:
        assert draft.estimate is not None
        sigma = case.samples(entry.metric).between_sigma
        finding = decide_relative(entry.metric, limit, draft.estimate, alpha, alpha_fail, sigma)
    enforced = entry.level is Level.ERROR and draft.cap is None
    reason = finding.reason or draft.cap
    n_head = len(case.head_runs if relative else case.head.kept)
    n_base = len(case.base_runs) if relative else 0
    message = finding_text(entry.metric, limit, finding, n_head, n_base)
    return RuleVerdict(
        budget=case.budget.name,
        metric=entry.metric.name,
        rule=draft.rule,
        outcome=finding.outcome,
        effect=_effect(finding, enforced, case.budget.policies, strict),
        level=entry.level.value,
        enforced=enforced,
        message=message + (f"; {_CAPS[draft.cap]}" if draft.cap else ""),
        reason=reason,
        line=limit.line or entry.line or case.budget.line,
        guard=entry.guard,
        primary=entry.primary,
        improved=finding.improved and draft.cap is None,
        kind="deterministic" if entry.deterministic else "statistical",
        unit=_unit(entry, relative),
        limit=None if draft.rule == _REACH_RATE else limit.value,
        limit_text="" if draft.rule == _REACH_RATE else limit.text,
        estimate=finding.estimate,
        low=finding.low,
        high=finding.high,
        n_head=n_head,
        n_base=n_base,
        design=finding.design.value if finding.design else None,
        alpha=finding.alpha,
        alpha_fail=finding.alpha_fail,
        detectable=finding.detectable,
        runs_needed=finding.runs_needed,
    )


_CAPS: Final = {
    Reason.ESTIMATED: "estimated, not measured: not enforced as joules",
    Reason.UNKNOWN_NOISE: "measured at different times and the noise between sittings is not known: "
    "only a warning (give it under [noise], or use energyprof ab)",
}


def _unit(entry: MetricBudget, relative: bool) -> str:
    if relative:
        return "ratio" if entry.metric.log else "difference"
    return entry.metric.dimension


def _effect(finding: Finding, enforced: bool, policies: Policies, strict: bool) -> Effect:
    """Return what a finding does, by level and policies."""
    most = Effect.ERROR if enforced else Effect.WARN
    if finding.outcome is Outcome.PASS:
        return Effect.OK
    if finding.outcome is Outcome.FAIL:
        return most
    if finding.outcome is Outcome.INCONCLUSIVE:
        policy = Policy.ERROR if strict else policies.on_inconclusive
    else:
        policy = _POLICIES.get(finding.reason or Reason.UNFIT_VALUES, _always)(policies)
    wanted = {Policy.PASS: Effect.OK, Policy.WARN: Effect.WARN, Policy.ERROR: Effect.ERROR}[policy]
    return Effect.WARN if wanted is Effect.ERROR and most is Effect.WARN else wanted


#: what none of the judged figures depends on, or only one that is then refused
_OF_CARBON: Final = ("carbon_intensity", "pue", "embodied")


def _always(_policies: Policies) -> Policy:
    return Policy.ERROR


_POLICIES: Final[dict[Reason, Callable[[Policies], Policy]]] = {
    Reason.INCOMPARABLE: lambda policies: policies.on_incomparable,
    Reason.MISSING_BASELINE: lambda policies: policies.on_missing_baseline,
    Reason.MISSING_METRIC: lambda policies: policies.on_missing_metric,
    Reason.MISSING_RUNS: lambda policies: policies.on_missing_metric,
}


def _warnings(case: Case) -> Iterator[str]:
    for difference in (*case.within, *case.apart):
        if difference.strictness is Strictness.WARN and difference.key not in _OF_CARBON:
            yield f"runs differ in {difference}"
    if any(not entry.deterministic for entry in case.budget.metrics):
        for name, side in (("head", case.head), ("base", case.base)):
            shared = repeated_seeds_text(f"{name} runs", [run.seed for run in side.kept])
            if shared is not None:
                yield shared
    if case.budget.unguarded is not None:
        yield f"no quality guard: {case.budget.unguarded}"
    unmatched = len(case.head.kept) - len(case.head_runs) if case.pairs else 0
    if unmatched:
        left = _count(unmatched, "head run is", "head runs are")
        yield f"{left} left out of comparisons: the other half of the pair is excluded"


def _count(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"
