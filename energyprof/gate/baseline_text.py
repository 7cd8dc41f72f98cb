"""Baselines for people: one as a table, two as the ratios between them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from energyprof.analysis.comparability import key_differences
from energyprof.analysis.statistics import Estimate, welch_difference, welch_log_ratio
from energyprof.errors import UnknownName
from energyprof.gate.baseline import Baseline
from energyprof.gate.metric import Metric, metric_named
from energyprof.gate.wording import amount_text

__all__ = ["BaselineDiff", "diff_baselines", "render_baseline_text", "render_diff", "render_diff_json"]


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
    yield f"{baseline.budget}: {len(baseline.runs)} runs, promoted {baseline.promoted_at}"
    yield f"  reason  {baseline.reason}"
    yield f"  commit  {baseline.git_sha or 'not known'}"
    for name in dict.fromkeys(name for run in baseline.runs for name in run.readings):
        metric, values = _known(name), _values(baseline, name)
        if metric is None or not values:
            continue
        noise = baseline.noise.get(name)
        spread = f"  noise {noise.within * 100:.2g} %" if noise and noise.within else ""
        spread += f", {noise.between * 100:.2g} % between sittings" if noise and noise.between else ""
        yield f"  {name:<26} {amount_text(metric, _middle(values, metric.log)):>12}{spread}"


def _diff_lines(diff: BaselineDiff) -> Iterator[str]:
    yield f"old: {diff.old_runs} runs, {diff.old_reason}"
    yield f"new: {diff.new_runs} runs, {diff.new_reason}"
    for difference in diff.differences:
        yield f"  differ in {difference}"
    for change in diff.changes:
        metric = metric_named(change.metric)
        old, new = amount_text(metric, change.old), amount_text(metric, change.new)
        yield f"  {change.metric:<26} {old:>12} -> {new:>12}   {_say(metric, change)}"


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
