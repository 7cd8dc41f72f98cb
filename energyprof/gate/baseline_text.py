"""Baselines for people: one as a table, two as the ratios between them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from energyprof.analysis.comparability import key_differences
from energyprof.analysis.statistics import Estimate, Noise, welch_difference, welch_log_ratio
from energyprof.errors import UnknownName
from energyprof.gate.baseline import Baseline
from energyprof.gate.metric import Metric, metric_named
from energyprof.gate.wording import amount_text, share_text

__all__ = ["BaselineDiff", "diff_baselines", "render_baseline_text", "render_diff", "render_diff_json"]

_ROUNDING: Final = 1e-9  # relative: equal figures differ by less in sums and logarithms


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricChange:
    """One metric in two baselines: a ratio, or a difference for accuracies; an interval where runs allow."""

    metric: str
    old: float
    new: float
    change: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineDiff:
    """How two baselines differ."""

    old_reason: str
    new_reason: str
    old_runs: int
    new_runs: int
    differences: tuple[str, ...]
    changes: tuple[MetricChange, ...]


def render_baseline_text(baseline: Baseline) -> str:
    """Return a baseline as text."""
    return "\n".join(_baseline_lines(baseline)) + "\n"


def diff_baselines(old: Baseline, new: Baseline) -> BaselineDiff:
    """Compare two baselines metric by metric."""
    names = dict.fromkeys(name for run in (*old.runs, *new.runs) for name in run.readings)
    keys = [run.key for run in (*old.runs, *new.runs)]
    return BaselineDiff(
        old_reason=old.reason,
        new_reason=new.reason,
        old_runs=len(old.runs),
        new_runs=len(new.runs),
        differences=tuple(map(str, key_differences(keys))),
        changes=tuple(filter(None, (_change(name, old, new) for name in names))),
    )


def render_diff(diff: BaselineDiff) -> str:
    """Return a comparison as text."""
    return "\n".join(_diff_lines(diff)) + "\n"


def render_diff_json(diff: BaselineDiff) -> str:
    """Return a comparison as JSON text."""
    return json.dumps({"schema": "energyprof.baseline-diff/1", **asdict(diff)}, indent=1) + "\n"


def _baseline_lines(baseline: Baseline) -> Iterator[str]:
    yield f"{baseline.budget}: {_runs(len(baseline.runs))}, promoted {baseline.promoted_at}"
    yield f"  reason  {baseline.reason}"
    yield f"  commit  {baseline.git_sha or 'not known'}"
    for name in dict.fromkeys(name for run in baseline.runs for name in run.readings):
        metric, values = _known(name), _values(baseline, name)
        if metric is None or not values:
            continue
        spread = _spread(values, baseline.noise.get(name))
        yield f"  {name:<26} {amount_text(metric, _middle(values, metric.log)):>12}{spread}"


def _spread(values: Sequence[float], noise: Noise | None) -> str:
    """Say how much a figure moved; what only its last digits show is the arithmetic's, not the figure's."""
    if len(values) > 1 and max(values) - min(values) <= _ROUNDING * abs(max(values)):
        return "  the same in every run"
    if noise is None:
        return ""
    told = [
        f"{share_text(sigma)}{where}"
        for sigma, where in ((noise.within, ""), (noise.between, " between sittings"))
        if sigma is not None and sigma > _ROUNDING
    ]
    return f"  noise {', '.join(told)}" if told else ""


def _diff_lines(diff: BaselineDiff) -> Iterator[str]:
    yield f"old: {_runs(diff.old_runs)}, {diff.old_reason}"
    yield f"new: {_runs(diff.new_runs)}, {diff.new_reason}"
    for difference in diff.differences:
        yield f"  differ in {difference}"
    for change in diff.changes:
        metric = metric_named(change.metric)
        old, new = amount_text(metric, change.old), amount_text(metric, change.new)
        yield f"  {change.metric:<26} {old:>12} -> {new:>12}   {_say(metric, change)}"


def _runs(count: int) -> str:
    return f"{count} {'run' if count == 1 else 'runs'}"


def _say(metric: Metric, change: MetricChange) -> str:
    def one(value: float) -> str:
        return f"{value:.3f}x" if metric.log else f"{value * 100:+.2f} pp"

    if change.low is None or change.high is None:
        return one(change.change)
    return f"{one(change.change)} ({one(change.low)} to {one(change.high)})"


def _change(name: str, old: Baseline, new: Baseline) -> MetricChange | None:
    metric, before, after = _known(name), _values(old, name), _values(new, name)
    if metric is None or not before or not after:
        return None
    estimate = _estimate(metric, before, after)
    first, second = _middle(before, metric.log), _middle(after, metric.log)
    plain = second / first if metric.log else second - first
    return MetricChange(
        metric=name,
        old=first,
        new=second,
        change=plain,
        low=estimate.low if estimate else None,
        high=estimate.high if estimate else None,
    )


def _estimate(metric: Metric, before: Sequence[float], after: Sequence[float]) -> Estimate | None:
    if min(len(before), len(after)) < 3:
        return None
    return (welch_log_ratio if metric.log else welch_difference)(before, after)


def _values(baseline: Baseline, name: str) -> list[float]:
    """Return the figures that can be averaged: finite, and positive where logarithms are taken."""
    metric = _known(name)
    figures: list[Any] = [run.value(name) for run in baseline.runs]
    usable = [value for value in figures if value is not None and math.isfinite(value)]
    return [value for value in usable if value > 0] if metric and metric.log else usable


def _middle(values: Sequence[float], log: bool) -> float:
    return (
        math.exp(math.fsum(map(math.log, values)) / len(values)) if log else math.fsum(values) / len(values)
    )


def _known(name: str) -> Metric | None:
    try:
        return metric_named(name)
    except UnknownName:
        return None
