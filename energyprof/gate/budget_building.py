"""From a validated document to budgets: units, scales, and what contradicts itself."""

from __future__ import annotations

import re
from typing import Final

from energyprof.analysis.reaching import Target
from energyprof.errors import UnknownName
from energyprof.gate.budget import (
    Budget,
    BudgetBook,
    Level,
    LimitKind,
    MetricBudget,
    Policies,
    Policy,
)
from energyprof.gate.budget_file import ProblemSink
from energyprof.gate.budget_schema import BudgetDocument, BudgetTable, LimitsTable, PolicyTable
from energyprof.gate.limit_building import amount_of, limit_of
from energyprof.gate.metric import TARGET_METRICS, Metric, metric_named
from energyprof.gate.observation import SELECTABLE
from energyprof.gate.toml_lines import KeyPath

__all__ = ["build_book"]

_PLACE: Final = "budget"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_POLICY_KEYS: Final = ("on_inconclusive", "on_missing_baseline", "on_missing_metric", "on_incomparable")
_WARNED_BY_DEFAULT: Final = ("co2e_kg",)  # derived: joules times a fixed intensity


def build_book(document: BudgetDocument, sink: ProblemSink) -> BudgetBook | None:
    """Build the budgets of a document; problems go to ``sink``, and None comes back where there are any."""
    if not document.budget:
        sink.add("no [[budget]] in it: nothing would be checked", "schema")
    defaults = _policies(document.defaults, Policies(), sink, ("defaults",))
    budgets = [_budget(table, defaults, sink, index) for index, table in enumerate(document.budget)]
    _refuse_duplicates(document, sink)
    noise = _noise(document, sink)
    if sink.problems:
        return None
    return BudgetBook(budgets=tuple(budgets), file=sink.file, noise=noise)


def _policies(table: PolicyTable, base: Policies, sink: ProblemSink, place: KeyPath) -> Policies:
    guard = amount_of(table.guard_band, "fraction", sink, (*place, "guard_band"))
    if guard is not None and not 0 <= guard < 1:
        sink.add(
            f"guard_band is {table.guard_band}: write a share from 0% to below 100%", *place, "guard_band"
        )
    looks = base.looks if table.looks is None else tuple(table.looks)
    if not looks or list(looks) != sorted(set(looks)) or not 3 <= looks[0] <= looks[-1] <= 100:
        sink.add(f"looks are {list(looks)}: they must rise within 3 to 100, as [3, 5, 8] do", *place, "looks")
    if table.alpha is not None and not 0 < table.alpha < 0.5:
        sink.add(f"alpha is {table.alpha}: a level lies between 0 and 0.5", *place, "alpha")
    policies = {key: getattr(table, key) for key in _POLICY_KEYS}
    return Policies(
        level=base.level if table.level is None else Level(table.level),
        alpha=base.alpha if table.alpha is None else table.alpha,
        looks=looks,
        guard_band=base.guard_band if guard is None else guard,
        exclude_flags=base.exclude_flags if table.exclude_flags is None else tuple(table.exclude_flags),
        **{key: getattr(base, key) if name is None else Policy(name) for key, name in policies.items()},
    )


def _budget(table: BudgetTable, defaults: Policies, sink: ProblemSink, index: int) -> Budget:
    place = (_PLACE, index)
    policies = _policies(table, defaults, sink, place)
    guards = _entries(table.quality, policies, sink, (*place, "quality"), guard=True)
    metrics = _entries(table.metrics, policies, sink, (*place, "metrics"), guard=False)
    budget = Budget(
        name=table.name,
        why=table.why,
        select=dict(table.select),
        baseline=table.baseline,
        target=_target(table, sink, place),
        metrics=(*guards, *metrics),
        policies=policies,
        unguarded=table.unguarded,
        line=sink.line(*place, "name"),
    )
    _refuse_contradictions(budget, table, sink, place)
    return budget


def _entries(
    tables: dict[str, LimitsTable],
    policies: Policies,
    sink: ProblemSink,
    place: KeyPath,
    guard: bool,
) -> list[MetricBudget]:
    found = []
    for name, table in tables.items():
        try:
            metric = metric_named(name)
        except UnknownName as error:
            sink.add(str(error), *place, name)
            continue
        found.append(_entry(metric, table, policies, sink, (*place, name), guard))
    return found


def _entry(
    metric: Metric,
    table: LimitsTable,
    policies: Policies,
    sink: ProblemSink,
    place: KeyPath,
    guard: bool,
) -> MetricBudget:
    limits = [
        limit
        for kind in LimitKind
        if (limit := limit_of(metric, kind, getattr(table, kind.value), sink, place)) is not None
    ]
    if all(getattr(table, kind.value) is None for kind in LimitKind):
        sink.add(f"'{metric.name}' has no limit: give max, min, max_increase or max_decrease", *place)
    if table.kind == "deterministic" and not metric.exact:
        sink.add(
            f"'{metric.name}' is measured, not deterministic: only counts and allocator peaks can be",
            *place,
            "kind",
        )
    default = Level.WARN if metric.name in _WARNED_BY_DEFAULT else policies.level
    return MetricBudget(
        metric=metric,
        limits=tuple(limits),
        level=min(default, policies.level, key=list(Level).index)
        if table.level is None
        else Level(table.level),
        guard=guard,
        primary=table.primary,
        deterministic=metric.deterministic if table.kind is None else table.kind == "deterministic",
        line=sink.line(*place),
    )


def _target(table: BudgetTable, sink: ProblemSink, place: KeyPath) -> Target | None:
    wanted = [name for name in table.metrics if name in TARGET_METRICS]
    if table.target is None:
        if wanted:
            sink.add(f"'{wanted[0]}' needs a [budget.target] with value", *place, "metrics", wanted[0])
        return None
    value = amount_of(table.target.value, "fraction", sink, (*place, "target", "value"))
    if value is not None and not 0 < value <= 1:
        sink.add(f"target value is {table.target.value}: an accuracy in (0, 1]", *place, "target", "value")
    if not 1 <= table.target.sustained <= 1000:
        sink.add(
            f"sustained is {table.target.sustained}: 1 to 1000 evaluations", *place, "target", "sustained"
        )
    return Target(
        metric=table.target.metric,
        threshold=1.0 if value is None else value,
        sustained=table.target.sustained,
    )


def _refuse_contradictions(budget: Budget, table: BudgetTable, sink: ProblemSink, place: KeyPath) -> None:
    if not _NAME.fullmatch(table.name):
        seen = repr(table.name[:60])
        sink.add(
            f"budget.name is {seen}: at most 80 letters, digits, dots, hyphens, underscores", *place, "name"
        )
    if table.unguarded is not None and not table.unguarded.strip():
        sink.add("unguarded is empty: say why there is no quality guard", *place, "unguarded")
    if not table.metrics and not table.quality:
        sink.add(f"budget '{budget.name}' limits nothing: add [budget.metrics.energy_j]", *place, "name")
    if table.metrics and not table.quality and table.unguarded is None:
        sink.add(
            f"budget '{budget.name}' has no quality guard, and a broken learner is the cheapest: add "
            '[budget.quality.test_accuracy] with min, or say why not with  unguarded = "..."',
            *place,
            "name",
        )
    primaries = [entry for entry in budget.metrics if entry.primary]
    if len(primaries) > 1:
        names = " and ".join(f"'{entry.metric.name}'" for entry in primaries)
        sink.add(
            f"{names} are both primary: one metric a budget can be",
            *place,
            "metrics",
            primaries[1].metric.name,
        )
    for name in set(table.metrics) & set(table.quality):
        sink.add(f"'{name}' stands under metrics and under quality: keep one", *place, "metrics", name)
    for entry in budget.metrics:
        _refuse_crossed_limits(entry, sink, (*place, "quality" if entry.guard else "metrics"))
    for key in table.select:
        if key not in SELECTABLE:
            sink.add(str(UnknownName("label", key, SELECTABLE)), *place, "select", key)
    _refuse_odd_path(budget, sink, place)


def _refuse_crossed_limits(entry: MetricBudget, sink: ProblemSink, place: KeyPath) -> None:
    limits = {limit.kind: limit for limit in entry.limits}
    lowest, highest = limits.get(LimitKind.MIN), limits.get(LimitKind.MAX)
    if lowest and highest and lowest.value > highest.value:
        seen = f"at least {lowest.text} and at most {highest.text}"
        sink.add(f"'{entry.metric.name}' must be {seen}: no run can be", *place, entry.metric.name)


def _refuse_odd_path(budget: Budget, sink: ProblemSink, place: KeyPath) -> None:
    if budget.baseline is None:
        return
    known = ("budget", *SELECTABLE)
    unknown = [name for name in _PLACEHOLDER.findall(budget.baseline) if name not in known]
    if unknown:
        sink.add(str(UnknownName("placeholder", unknown[0], known)), *place, "baseline")
    if budget.baseline.startswith(("/", "~")) or re.match(r"[A-Za-z]:", budget.baseline):
        sink.add("baseline is an absolute path: write it relative to this file", *place, "baseline")


def _refuse_duplicates(document: BudgetDocument, sink: ProblemSink) -> None:
    first: dict[str, int] = {}
    for index, table in enumerate(document.budget):
        if table.name in first:
            line = sink.line(_PLACE, first[table.name], "name")
            sink.add(f"budget '{table.name}' stands already on line {line}", _PLACE, index, "name")
        first.setdefault(table.name, index)


def _noise(document: BudgetDocument, sink: ProblemSink) -> dict[str, dict[str, float]]:
    noise: dict[str, dict[str, float]] = {}
    for device, figures in document.noise.items():
        for name, amount in figures.items():
            place = ("noise", device, name)
            try:
                metric_named(name)
            except UnknownName as error:
                sink.add(str(error), *place)
                continue
            value = amount_of(amount, "fraction", sink, place)
            if value is not None and not 0 <= value < 1:
                sink.add(f"noise of '{name}' is {amount}: a share between 0% and 100%", *place)
            elif value is not None:
                noise.setdefault(device, {})[name] = value
    return noise
