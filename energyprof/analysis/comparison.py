"""Runs side by side: which may be compared, what each arm took, and its ratio to the reference.

One result, used alike by the terminal, ``--json``, Markdown, LaTeX and the page.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from energyprof.analysis.arms import Arm, arms_of
from energyprof.analysis.comparability import Difference, Strictness, comparable_groups, differences
from energyprof.analysis.pairing import paired_runs
from energyprof.analysis.reaching import Reached, Target, logs, reach
from energyprof.analysis.versus import Ratio, ratio_of, ratio_of_values
from energyprof.analysis.yardsticks import YARDSTICKS, Statistic, statistic
from energyprof.errors import UnknownName, UsageError
from energyprof.record.model import Report

__all__ = ["ArmResult", "Comparison", "Group", "compare"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmResult:
    """What an arm took, and against the reference.

    Attributes:
        figures: by the names of :data:`YARDSTICKS`.
        ratios: the same against the reference; empty for the reference itself.
        to_target: energy to the target over the runs that reached it; None without a target.
        reached: how many of its runs reached the target.
        reaches: run by run, None where it was not reached.
    """

    arm: Arm
    is_reference: bool
    figures: Mapping[str, Statistic]
    ratios: Mapping[str, Ratio]
    to_target: Statistic | None = None
    target_ratio: Ratio | None = None
    reached: int = 0
    reaches: tuple[Reached | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Runs that may be compared with one another.

    Attributes:
        runs: positions.
        arms: reference first, then from least to most energy.
        warnings: keys in which its runs differ without forbidding the comparison.
    """

    runs: tuple[int, ...]
    arms: tuple[ArmResult, ...]
    warnings: tuple[Difference, ...]

    @property
    def reference(self) -> ArmResult | None:
        """Return the arm that the others are held against; None where there is one arm only."""
        return next((arm for arm in self.arms if arm.is_reference), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All runs, in groups that may be compared.

    Attributes:
        reports: in the order given.
        groups: the largest first.
        refusals: keys in which the groups differ; why they are not ranked together.
        margin: ratios within 1/(1 + margin) and 1 + margin count as equal.
        duplicates: run ids that were given more than once; each counts once.
    """

    reports: tuple[Report, ...]
    groups: tuple[Group, ...]
    refusals: tuple[Difference, ...]
    margin: float
    target: Target | None
    duplicates: tuple[str, ...] = ()


def compare(
    reports: Sequence[Report],
    *,
    reference: str | None = None,
    target: Target | None = None,
    margin: float = 0.05,
) -> Comparison:
    """Compare runs.

    Args:
        reports: at least one; a run id given twice counts once.
        reference: name of an arm, or of a learner with one arm. Without it: ``bp`` where it is there, else
            the first arm.
        target: what counts as having learned, for energy to target.
        margin: what counts as equal, as a fraction.

    Raises:
        UsageError: no report, an unknown reference, or a metric that no run logged.
    """
    if not reports:
        raise UsageError("nothing to compare: give two runs or more")
    counted = Counter(report.run.id for report in reports)
    kept = list({report.run.id: report for report in reversed(reports)}.values())[::-1]
    _check_reference(kept, reference)
    _check_target(kept, target)
    positions = sorted(comparable_groups(kept, across_learners=True), key=lambda group: -len(group))
    found = differences(kept, across_learners=True)
    return Comparison(
        reports=tuple(kept),
        groups=tuple(_group(kept, group, reference, target, margin) for group in positions),
        refusals=tuple(d for d in found if d.strictness is Strictness.REFUSE),
        margin=margin,
        target=target,
        duplicates=tuple(name for name, count in counted.items() if count > 1),
    )


def _check_reference(reports: Sequence[Report], reference: str | None) -> None:
    if reference is None:
        return
    arms = arms_of(reports)
    names = {arm.name for arm in arms} | {arm.algo for arm in arms}
    if reference not in names:
        raise UnknownName("reference", reference, names)


def _check_target(reports: Sequence[Report], target: Target | None) -> None:
    """Refuse a metric that no run logged; runs that lack it alone count as not having reached it."""
    if target is not None and not any(logs(report, target.metric) for report in reports):
        reach(reports[0], target)


def _group(
    reports: Sequence[Report],
    positions: Sequence[int],
    reference: str | None,
    target: Target | None,
    margin: float,
) -> Group:
    arms = arms_of(reports, positions)
    base = _reference(arms, reference)
    against = None if len(arms) == 1 else base
    reaches = None if target is None else {p: _reach(reports[p], target) for p in positions}
    results = [_arm(reports, arm, against, reaches, margin) for arm in arms]
    results.sort(key=lambda r: (not r.is_reference, _sort_key(r)))
    chosen = [reports[p] for p in positions]
    soft = differences(chosen, across_learners=True)
    return Group(
        runs=tuple(positions),
        arms=tuple(results),
        warnings=tuple(d for d in soft if d.strictness is Strictness.WARN),
    )


def _reference(arms: Sequence[Arm], wanted: str | None) -> Arm:
    for name in (wanted, "bp"):
        for arm in arms:
            if name is not None and name in (arm.name, arm.algo):
                return arm
    return arms[0]


def _reach(report: Report, target: Target) -> Reached | None:
    return reach(report, target) if logs(report, target.metric) else None


def _sort_key(result: ArmResult) -> float:
    value = result.figures["energy_j"].value
    return math.inf if value is None else value


def _arm(
    reports: Sequence[Report],
    arm: Arm,
    reference: Arm | None,
    reaches: Mapping[int, Reached | None] | None,
    margin: float,
) -> ArmResult:
    mine = [reports[p] for p in arm.runs]
    figures = {name: statistic([c.read(r) for r in mine], c.log) for name, c in YARDSTICKS.items()}
    ratios: dict[str, Ratio] = {}
    target_ratio = None
    if reference is not None and reference is not arm:
        base = [reports[p] for p in reference.runs]
        ratios = {name: ratio_of(base, mine, c, margin) for name, c in YARDSTICKS.items()}
        if reaches is not None:
            target_ratio = _target_ratio(reference, arm, reports, reaches, margin)
    own = tuple(reaches[p] for p in arm.runs) if reaches is not None else ()
    return ArmResult(
        arm=arm,
        is_reference=reference is arm,
        figures=figures,
        ratios=ratios,
        to_target=statistic([r.energy_j for r in own if r is not None], True) if own else None,
        target_ratio=target_ratio,
        reached=sum(r is not None for r in own),
        reaches=own,
    )


def _target_ratio(
    reference: Arm,
    arm: Arm,
    reports: Sequence[Report],
    reaches: Mapping[int, Reached | None],
    margin: float,
) -> Ratio:
    """Compare energy to target only where every run of both sides reached it: a part would flatter."""
    base = [reaches[p] for p in reference.runs]
    head = [reaches[p] for p in arm.runs]
    xs = [r.energy_j for r in base if r is not None and r.energy_j]
    ys = [r.energy_j for r in head if r is not None and r.energy_j]
    if len(xs) < len(base) or len(ys) < len(head):
        return Ratio(value=None, n_reference=len(xs), n=len(ys))
    pairs = paired_runs([reports[p] for p in reference.runs], [reports[p] for p in arm.runs])
    if pairs is not None:
        xs, ys = [xs[i] for i, _ in pairs], [ys[j] for _, j in pairs]
    return ratio_of_values(xs, ys, True, margin, paired=pairs is not None)
