"""The learner's own figures: local losses, goodness, whatever it logged by layer or under another name."""

from __future__ import annotations

from markupsafe import Markup

from energyprof.record.model import Report
from energyprof.report.chart import Axis, axis, dot, line, plot, series_class
from energyprof.report.epochs import shown_epochs
from energyprof.report.page import fragment
from energyprof.report.section import Section
from energyprof.report.view import RunView
from energyprof.report.words import printable

__all__ = ["families", "section"]

_KNOWN = ("train_accuracy", "test_accuracy", "samples")
_MOST = 12

Curves = dict[str, list[tuple[float, float]]]  # member, such as a layer or a stage -> points over epochs


def section(view: RunView) -> Section | None:
    """Build the section; None where the learner logged nothing of its own."""
    drawn = _curves(view.report)
    if not drawn:
        return None
    charts = [(name, _chart(name, curves), list(curves)) for name, curves in list(drawn.items())[:_MOST]]
    return Section(
        key="learner",
        short="Learner's own",
        title="The learner's own figures",
        about="What this learner tells besides its loss and accuracy, at the end of every epoch.",
        body=fragment("run_learner.html", charts=charts, left_out=list(drawn)[_MOST:]),
    )


def families(report: Report) -> dict[str, dict[str, str]]:
    """Group what was logged: figure -> (member, such as a layer -> full name)."""
    names = dict.fromkeys(name for epoch in report.epochs for name in epoch.metrics if name not in _KNOWN)
    found: dict[str, dict[str, str]] = {}
    for name in names:
        member, _, figure = name.rpartition("/")
        found.setdefault(figure, {})[member or figure] = name
    return found


def _curves(report: Report) -> dict[str, Curves]:
    """Return figure -> member -> points; what was never a number is left out."""
    logged = {
        figure: {member: _points(report, name) for member, name in members.items()}
        for figure, members in families(report).items()
    }
    found = {"local loss by stage": _stage_losses(report), **logged}
    return {
        figure: known
        for figure, curves in found.items()
        if (known := {member: points for member, points in curves.items() if points})
    }


def _stage_losses(report: Report) -> Curves:
    """Return the local loss of each stage where layers take turns: a stage trains by its own loss."""
    found: Curves = {}
    for k, epoch in shown_epochs(report):
        if epoch.train_loss is not None:
            found.setdefault(epoch.stage, []).append((k + 1.0, epoch.train_loss))
    return found if len(found) > 1 else {}


def _chart(figure: str, curves: Curves) -> Markup:
    every = [p for points in curves.values() for p in points]
    epochs = len({p[0] for p in every})
    x = axis([p[0] for p in every], "epoch", count=max(1, min(6, epochs - 1)))  # whole epochs, not halves
    y = axis([p[1] for p in every], _spoken(figure))
    marks = [_line(x, y, points, index) for index, points in enumerate(curves.values())]
    said = f"{_spoken(figure)} by epoch of {', '.join(map(_spoken, curves))}."
    return plot(x, y, marks, label=said, height="small")


def _line(x: Axis, y: Axis, points: list[tuple[float, float]], index: int) -> Markup:
    if len(points) == 1:
        return dot(x, y, *points[0], series_class(index))
    return line(x, y, [p[0] for p in points], [p[1] for p in points], series_class(index))


def _points(report: Report, name: str) -> list[tuple[float, float]]:
    """Return the values over the position among all epochs, counted from 1 (stages follow one another)."""
    values = [(k + 1.0, epoch.metrics.get(name)) for k, epoch in shown_epochs(report)]
    return [(k, value) for k, value in values if value is not None]


def _spoken(name: str) -> str:
    return printable(name.replace("_", " ").replace("/", " "), 40)
