"""The judgement of one limit by the numbers: one sample against a limit, or head against base.

Pure: numbers in, a :class:`Finding` out. What a finding does is decided in :mod:`energyprof.gate.check`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from energyprof.analysis.detectability import detectable_effect, runs_needed
from energyprof.analysis.statistics import (
    Design,
    Estimate,
    one_sample_log,
    one_sample_mean,
    paired_difference,
    paired_log_ratio,
    welch_difference,
    welch_log_ratio,
)
from energyprof.gate.budget import Limit, LimitKind
from energyprof.gate.metric import Metric, Reading
from energyprof.gate.sides import Arrangement
from energyprof.gate.verdict import Outcome, Reason

__all__ = [
    "LEAST_RUNS",
    "Finding",
    "Samples",
    "compare_sides",
    "decide_relative",
    "judge_exact_limit",
    "judge_exact_relative",
    "judge_limit",
    "relative_limit",
]

LEAST_RUNS: Final = 3  # below, there is no interval worth the name
_ROUNDING: Final = 1e-9  # relative: what exp(log(x)) may lose


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the numbers say about one limit; see :class:`energyprof.gate.verdict.RuleVerdict`."""

    outcome: Outcome
    because: str
    reason: Reason | None = None
    improved: bool = False
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    design: Design | None = None
    alpha: float | None = None
    alpha_fail: float | None = None
    detectable: float | None = None
    runs_needed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """The numbers of both sides and how they stand to each other.

    Attributes:
        base: one number a run; in pairs with ``head`` where the arrangement is paired.
        between_sigma: of log means between sittings; counts where the sides were measured separately.
    """

    base: Sequence[float]
    head: Sequence[float]
    arrangement: Arrangement
    between_sigma: float = 0.0
    between_df: float = math.inf


def judge_limit(
    metric: Metric, limit: Limit, readings: Sequence[Reading], alpha: float, guard_band: float
) -> Finding:
    """Judge an absolute limit on the runs of one side.

    From three runs on by the interval of their mean. Below, by a guard band: a value must keep a distance
    from the limit to be judged, and the bounds of a single run's sensor widen the value first. For an
    accuracy the band is a share of the limit's distance to 0 or 1, whichever is nearer.
    """
    values = [reading.value for reading in readings]
    if any(map(math.isinf, values)):
        missed = sum(map(math.isinf, values))
        outcome = Outcome.FAIL if limit.kind.is_upper else Outcome.PASS
        return Finding(outcome=outcome, because=f"{missed} of {len(values)} runs never reached the target")
    if len(values) < LEAST_RUNS:
        return _by_guard_band(metric, limit, readings, guard_band)
    estimate = (one_sample_log if metric.log else one_sample_mean)(values)
    return _decide(estimate, limit.value, limit.kind.is_upper, alpha, alpha)


def judge_exact_limit(limit: Limit, values: Sequence[float]) -> Finding:
    """Judge an absolute limit on a deterministic metric: every run must keep it."""
    worst = max(values) if limit.kind.is_upper else min(values)
    kept = worst <= limit.value if limit.kind.is_upper else worst >= limit.value
    return Finding(
        outcome=Outcome.PASS if kept else Outcome.FAIL, because="exact", estimate=worst, low=worst, high=worst
    )


def judge_exact_relative(
    limit: Limit, base: Mapping[int | None, set[float]], head: Mapping[int | None, set[float]]
) -> Finding:
    """Judge a relative limit on a deterministic metric, seed by seed; one run a side is enough.

    Args:
        limit: relative.
        base: seed -> the values that runs with it had; each set should hold one.
        head: the same.
    """
    for side, seeds in (("base", base), ("head", head)):
        for seed, values in seeds.items():
            if len(values) > 1:
                seen = " and ".join(f"{value:.10g}" for value in sorted(values)[:2])
                return _unfit(f"declared deterministic, but {side} runs with seed {seed} have {seen}")
    pairs = [(_only(base[seed]), _only(head[seed])) for seed in head if seed in base]
    if not pairs and len(set.union(*base.values())) == len(set.union(*head.values())) == 1:
        pairs = [(_only(set.union(*base.values())), _only(set.union(*head.values())))]
    if not pairs:
        return _unfit("deterministic figures are compared under the same seed, and the sides share none")
    ratios = [value / before if before else math.inf for before, value in pairs]
    worst = max(ratios) if limit.kind.is_upper else min(ratios)
    allowed = relative_limit(limit, log=True)
    kept = worst <= allowed if limit.kind.is_upper else worst >= allowed
    return Finding(
        outcome=Outcome.PASS if kept else Outcome.FAIL,
        because="exact",
        estimate=worst,
        low=worst,
        high=worst,
        improved=kept and limit.kind.is_upper and max(ratios) < 1,
    )


def relative_limit(limit: Limit, log: bool) -> float:
    """Return a relative limit as a ratio, or as a difference of accuracies."""
    sign = 1 if limit.kind is LimitKind.MAX_INCREASE else -1
    return 1 + sign * limit.value if log else sign * limit.value / 100


def compare_sides(metric: Metric, samples: Samples) -> Estimate | None:
    """Estimate head against base by the design that the records show; None with too few runs.

    Infinite values (a target never reached) have no estimate.
    """
    if min(len(samples.base), len(samples.head)) < LEAST_RUNS:
        return None
    if any(map(math.isinf, (*samples.base, *samples.head))):
        return None
    if samples.arrangement is Arrangement.PAIRED:
        return (paired_log_ratio if metric.log else paired_difference)(samples.base, samples.head)
    if not metric.log:
        return welch_difference(samples.base, samples.head)
    separate = samples.arrangement is Arrangement.SEPARATE
    return welch_log_ratio(
        samples.base,
        samples.head,
        between_sigma=samples.between_sigma if separate else 0.0,
        between_df=samples.between_df if separate else math.inf,
    )


def decide_relative(
    metric: Metric, limit: Limit, estimate: Estimate, alpha: float, alpha_fail: float, between_sigma: float
) -> Finding:
    """Judge a relative limit by an estimate.

    Args:
        metric: what is compared.
        limit: relative.
        estimate: head against base.
        alpha: level of the bound that a pass needs.
        alpha_fail: level of the bound that a failure needs; less where rules share it (Holm).
        between_sigma: what entered the estimate, for the count of runs that would decide.
    """
    bound = relative_limit(limit, metric.log)
    if metric.log and bound <= 0:
        bound = math.ulp(0.0)
    found = _decide(estimate, bound, limit.kind.is_upper, alpha, alpha_fail, between_sigma)
    good_way = limit.kind.is_upper == metric.lower_is_better
    return replace(found, improved=good_way and _improves(estimate, bound, limit.kind.is_upper, alpha))


def _improves(estimate: Estimate, bound: float, upper: bool, alpha: float) -> bool:
    """Tell whether the change is beyond the margin the good way."""
    mirrored = 1 / bound if estimate.log else -bound
    return estimate.upper(alpha) < mirrored if upper else estimate.lower(alpha) > mirrored


def _decide(
    estimate: Estimate,
    bound: float,
    upper: bool,
    alpha: float,
    alpha_fail: float,
    between_sigma: float = 0.0,
) -> Finding:
    low = estimate.lower(alpha_fail if upper else alpha)
    high = estimate.upper(alpha if upper else alpha_fail)
    slack = _ROUNDING * abs(bound)
    kept = high <= bound + slack if upper else low >= bound - slack
    broken = low > bound + slack if upper else high < bound - slack
    outcome = Outcome.FAIL if broken else Outcome.PASS if kept else Outcome.INCONCLUSIVE
    effect = detectable_effect(estimate.standard_error, estimate.df, alpha)
    needed = None
    if outcome is Outcome.INCONCLUSIVE:
        gap = estimate.center - (math.log(bound) if estimate.log else bound)
        needed = runs_needed(
            estimate.spread, gap, alpha=alpha, design=estimate.design, between_sigma=between_sigma
        )
    return Finding(
        outcome=outcome,
        because=_BECAUSE[outcome],
        estimate=estimate.value,
        low=low,
        high=high,
        design=estimate.design,
        alpha=alpha,
        alpha_fail=alpha_fail,
        detectable=math.expm1(min(effect, 700.0)) if estimate.log else effect,
        runs_needed=needed,
    )


_BECAUSE: Final = {
    Outcome.PASS: "the interval keeps the limit",
    Outcome.FAIL: "the interval lies beyond the limit",
    Outcome.INCONCLUSIVE: "the limit lies inside the interval",
}


def _by_guard_band(metric: Metric, limit: Limit, readings: Sequence[Reading], band: float) -> Finding:
    low, high = _range(readings)
    inner, outer = _band(metric, limit, band)
    if limit.kind.is_upper:
        kept, broken = high <= inner, low >= outer
    else:
        kept, broken = low >= inner, high <= outer
    outcome = Outcome.PASS if kept else Outcome.FAIL if broken else Outcome.INCONCLUSIVE
    return Finding(
        outcome=outcome,
        because=f"guard band of {band:.0%} around the limit",
        estimate=_middle([reading.value for reading in readings], metric.log),
        low=low,
        high=high,
        runs_needed=LEAST_RUNS if outcome is Outcome.INCONCLUSIVE else None,
    )


def _range(readings: Sequence[Reading]) -> tuple[float, float]:
    """Return the range of one or two runs; of a single one with its sensor's bounds."""
    values = [reading.value for reading in readings]
    if len(readings) == 1:
        only = readings[0]
        values += [bound for bound in (only.low, only.high) if bound is not None]
    return min(values), max(values)


def _band(metric: Metric, limit: Limit, band: float) -> tuple[float, float]:
    """Return where a pass ends and where a failure begins."""
    if metric.is_accuracy:  # a share of the distance to the nearer end of [0, 1]
        width = band * min(limit.value, 1 - limit.value)
        below, above = limit.value - width, limit.value + width
    else:
        below, above = limit.value / (1 + band), limit.value * (1 + band)
    return (below, above) if limit.kind.is_upper else (above, below)


def _middle(values: Sequence[float], log: bool) -> float:
    if log and all(value > 0 for value in values):
        return math.exp(math.fsum(map(math.log, values)) / len(values))
    return math.fsum(values) / len(values)


def _only(values: set[float]) -> float:
    return next(iter(values))


def _unfit(because: str) -> Finding:
    return Finding(outcome=Outcome.INVALID, because=because, reason=Reason.UNFIT_VALUES)
