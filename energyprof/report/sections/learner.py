"""The learner's own figures: local losses, goodness, whatever it logged by layer or under another name."""

from __future__ import annotations

from markupsafe import Markup

from energyprof.record.model import Report
from energyprof.report.chart import Axis, axis, line, plot, series_class
from energyprof.report.page import fragment
from energyprof.report.section import Section
from energyprof.report.view import RunView
from energyprof.report.words import printable

__all__ = ["families", "section"]

_KNOWN = ("train_accuracy", "test_accuracy", "samples")
_MOST = 12


def section(view: RunView) -> Section | None:
    """Build the section; None where the learner logged nothing of its own."""
    found = families(view.report)
    if not found:
        return None
    charts = [(name, _chart(view.report, name, members)) for name, members in list(found.items())[:_MOST]]
    return Section(
        key="learner",
        short="Learner's own",
        title="The learner's own figures",
        about="What this learner logged besides loss and accuracy, at the end of every epoch.",
        body=fragment(
            "run_learner.html", charts=[(n, c, list(found[n])) for n, c in charts if c is not None]
        ),
    )


def families(report: Report) -> dict[str, dict[str, str]]:
    """Group what was logged: figure -> (member, such as a layer -> full name)."""
    names = dict.fromkeys(name for epoch in report.epochs for name in epoch.metrics if name not in _KNOWN)
    found: dict[str, dict[str, str]] = {}
    for name in names:
        member, _, figure = name.rpartition("/")
        found.setdefault(figure, {})[member or figure] = name
    return found


def _chart(report: Report, figure: str, members: dict[str, str]) -> Markup | None:
    curves = {member: _points(report, name) for member, name in members.items()}
    drawn = {member: points for member, points in curves.items() if points}
    if not drawn:
        return None
    every = [p for points in drawn.values() for p in points]
    x, y = axis([p[0] for p in every], "epoch", count=6), axis([p[1] for p in every], _spoken(figure))
    marks = [_line(x, y, points, index) for index, points in enumerate(drawn.values())]
    said = f"{_spoken(figure)} by epoch of {', '.join(map(_spoken, drawn))}."
    return plot(x, y, marks, label=said, height="small")


def _line(x: Axis, y: Axis, points: list[tuple[float, float]], index: int) -> Markup:
    return line(x, y, [p[0] for p in points], [p[1] for p in points], series_class(index))


def _points(report: Report, name: str) -> list[tuple[float, float]]:
    """Return the values over the position among all epochs, counted from 1 (stages follow one another)."""
    values = [(k + 1.0, epoch.metrics.get(name)) for k, epoch in enumerate(report.epochs)]
    return [(k, value) for k, value in values if value is not None]


def _spoken(name: str) -> str:
    return printable(name.replace("_", " ").replace("/", " "), 40)
