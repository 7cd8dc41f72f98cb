"""Learning curves of all runs, aligned by samples, by joules or by time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from markupsafe import Markup

from energyprof.analysis.reaching import score
from energyprof.record.model import Epoch, Report
from energyprof.report.chart import axis, line, plot, rule_across
from energyprof.report.comparing.view import GroupView
from energyprof.report.encode import thin
from energyprof.report.page import fragment
from energyprof.report.section import Section
from energyprof.report.words import counted

__all__ = ["section"]

_POINTS: Final = 40  # of a run's curve
_ALIGNMENTS: Final[dict[str, tuple[str, str, Callable[[Epoch], float | None]]]] = {
    "joules": ("energy so far", "J", lambda e: e.cumulative_energy_j),
    "time": ("time", "s", lambda e: e.end_s),
    "samples": ("samples seen", "", lambda e: e.samples),
}


def section(view: GroupView) -> Section | None:
    """Build the section; None where nothing was logged by epoch."""
    metric = _metric(view)
    if metric is None:
        return None
    charts = {name: chart for name in _ALIGNMENTS if (chart := _chart(view, metric, name)) is not None}
    if not charts:
        return None
    return Section(
        key=f"{view.key}curves",
        short="Learning",
        title=f"{metric.replace('_', ' ').capitalize()} as it was learned",
        about="One line a run. Aligned by samples the learners look at the same work; by joules or time they "
        f"show what it cost.{_thinned(view)}",
        body=fragment("compare_curves.html", legend=view.legend, charts=charts, group=view.key),
    )


def _thinned(view: GroupView) -> str:
    longest = max(len(report.epochs) for arm in view.group.arms for report in view.runs(arm))
    return f" Of each run's epochs at most {_POINTS} are drawn, evenly spread." if longest > _POINTS else ""


def _metric(view: GroupView) -> str | None:
    target = view.comparison.target
    wanted = [target.metric] if target is not None else []
    for metric in (*wanted, "validation_accuracy", "validation_loss", "train_loss"):
        reports = [r for arm in view.group.arms for r in view.runs(arm)]
        if any(score(e, metric) is not None for r in reports for e in r.epochs):
            return metric
    return None


def _chart(view: GroupView, metric: str, alignment: str) -> Markup | None:
    title, unit, position = _ALIGNMENTS[alignment]
    curves = [
        (view.style(arm), points)
        for arm in view.group.arms
        for report in view.runs(arm)
        if (points := _points(report, metric, position))
    ]
    if not curves:
        return None
    percentage = "%" if "accuracy" in metric else ""
    x = axis([0.0, *(p[0] for _, points in curves for p in points)], title, unit, zero=True)
    target = view.comparison.target
    wanted = [target.threshold] if target is not None and target.metric == metric else []
    y = axis([*(p[1] for _, points in curves for p in points), *wanted], metric.replace("_", " "), percentage)
    marks = [line(x, y, [p[0] for p in pts], [p[1] for p in pts], f"{style} thin") for style, pts in curves]
    marks += [rule_across(y, value) for value in wanted]
    said = f"{metric.replace('_', ' ')} of {counted(len(curves), 'run')} over {title}."
    return plot(x, y, marks, label=said)


def _points(
    report: Report, metric: str, position: Callable[[Epoch], float | None]
) -> list[tuple[float, float]]:
    found = [(position(e), score(e, metric)) for e in report.epochs]
    known = [(float(x), float(y)) for x, y in found if x is not None and y is not None]
    return [known[k] for k in thin(len(known), _POINTS)] if known else []
