"""Accuracy over energy: each run, each arm's mean with its intervals, and the frontier."""

from __future__ import annotations

from markupsafe import Markup

from energyprof.analysis.comparison import ArmResult
from energyprof.report.chart import Axis, Label, axis, dot, line, plot
from energyprof.report.comparing.view import GroupView
from energyprof.report.page import fragment
from energyprof.report.section import Section
from energyprof.report.words import percent
from energyprof.units import format_energy

__all__ = ["frontier", "section"]

_LABELLED = 8


def section(view: GroupView) -> Section | None:
    """Build the section; None where no arm has both energy and accuracy."""
    name = _accuracy_name(view)
    points = [(arm, point) for arm in view.group.arms if (point := _mean(arm, name)) is not None]
    if not points:
        return None
    runs = [(arm, x, y) for arm, _ in points for x, y in _runs(arm, name)]
    x = axis([p[1] for p in runs], "energy", "J", log=True)
    y = axis([p[2] for p in runs], name.replace("_", " "), "%")
    marks = [_run_dot(view, x, y, *run) for run in runs]
    edge = frontier([point for _, point in points])
    marks.append(_stairs(x, y, edge))
    labels = []
    for arm, point in points:
        marks += _cross(x, y, arm, name, view.style(arm))
        marks.append(dot(x, y, *point, f"{view.style(arm)} big"))
        labels.append(Label(x=point[0], y=point[1], text=arm.arm.name, side=_side(x, point[0])))
    best = [arm.arm.name for arm, point in points if point in edge]
    chart = plot(
        x,
        y,
        marks,
        label=f"Accuracy over energy. Not beaten in both: {', '.join(best)}.",
        labels=labels if len(labels) <= _LABELLED else (),
        extra="sparse",
    )
    return Section(
        key=f"{view.key}pareto",
        short="Accuracy for energy",
        title="Accuracy for energy",
        about="Up and to the left is better. Crosses are 95 % intervals of the mean, cut at the edge; faint "
        "dots are single runs. The stepped line joins the arms that no other beats in both.",
        body=fragment("compare_plot.html", legend=view.legend, charts=[chart], best=best),
    )


def _run_dot(view: GroupView, x: Axis, y: Axis, arm: ArmResult, energy: float, accuracy: float) -> Markup:
    title = f"{arm.arm.name}: {percent(accuracy, 2)} for {format_energy(energy)}"
    return dot(x, y, energy, accuracy, f"{view.style(arm)} faint", title)


def frontier(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points (energy, accuracy) that no other beats in both, from least energy on."""
    edge: list[tuple[float, float]] = []
    for energy, accuracy in sorted(points, key=lambda p: (p[0], -p[1])):
        if not edge or accuracy > edge[-1][1]:
            edge.append((energy, accuracy))
    return edge


def _accuracy_name(view: GroupView) -> str:
    tested = all(arm.figures["test_accuracy"].value is not None for arm in view.group.arms)
    return "test_accuracy" if tested else "validation_accuracy"


def _mean(arm: ArmResult, name: str) -> tuple[float, float] | None:
    energy, accuracy = arm.figures["energy_j"].value, arm.figures[name].value
    return None if energy is None or accuracy is None else (energy, accuracy)


def _runs(arm: ArmResult, name: str) -> list[tuple[float, float]]:
    pairs = zip(arm.figures["energy_j"].values, arm.figures[name].values, strict=True)
    return [(x, y) for x, y in pairs if x is not None and x > 0 and y is not None]


def _cross(x: Axis, y: Axis, arm: ArmResult, name: str, style: str) -> list[Markup]:
    energy, accuracy = arm.figures["energy_j"], arm.figures[name]
    if energy.value is None or accuracy.value is None:
        return []
    marks = []
    if energy.low is not None and energy.high is not None:
        marks.append(line(x, y, _within(x, energy.low, energy.high), [accuracy.value] * 2, style))
    if accuracy.low is not None and accuracy.high is not None:
        marks.append(line(x, y, [energy.value] * 2, _within(y, accuracy.low, accuracy.high), style))
    return marks


def _within(ends: Axis, low: float, high: float) -> list[float]:
    """Cut an interval at the edge of the drawing: of few runs it may span orders of magnitude."""
    return [max(low, ends.scale.low), min(high, ends.scale.high)]


def _stairs(x: Axis, y: Axis, edge: list[tuple[float, float]]) -> Markup:
    xs, ys = [p[0] for p in edge], [p[1] for p in edge]
    return line(x, y, [*xs, x.scale.high], [*ys, ys[-1]], "frontier", stairs=True)


def _side(x: Axis, value: float) -> str:
    return "left" if x.scale.at(value) > 0.75 else "right"
