"""Learning against energy: what accuracy and loss cost in joules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from markupsafe import Markup

from energyprof.record.model import Epoch, Report
from energyprof.report.chart import Label, axis, dot, line, plot, rule, series_class
from energyprof.report.epochs import shown_epochs
from energyprof.report.page import fragment
from energyprof.report.section import Section
from energyprof.report.view import RunView
from energyprof.report.words import counted, percent, printable
from energyprof.units import format_count, format_energy

__all__ = ["section"]

_MOST_DOTS: Final = 60  # epochs; more would make a thick band of the line


def section(view: RunView) -> Section:
    """Build the section."""
    report = view.report
    body = fragment(
        "run_learning.html",
        accuracy=_accuracy(report),
        loss=_loss(report),
        lines=list(_losses(report)),
        epochs=[epoch for _, epoch in shown_epochs(report)],
        logged=len(report.epochs),
        stages=len({e.stage for e in report.epochs}) > 1,
        quality=report.quality,
        ending=_ending(report),
    )
    return Section(
        key="learning",
        short="Learning",
        title="Learning against energy",
        about="What each gain in accuracy cost: figures at the end of every epoch, over the joules "
        "drawn until then.",
        body=body,
    )


def _ending(report: Report) -> str | None:
    """Say by which figure training ended and weights were chosen; None where nothing was watched."""
    protocol = report.workload.protocol
    patience, most = protocol.get("patience"), protocol.get("epochs")
    if protocol.get("rule") != "own-convergence" or not isinstance(patience, int):
        return None
    watched = printable(str(protocol.get("watched") or "validation_loss").replace("_", " "), 60)
    cap = f", or after {format_count(most)}" if isinstance(most, int) else ""
    return (
        f"The rule: a stage ends after {counted(patience, 'epoch')} without a better {watched}{cap}, with "
        "the weights of its best epoch by that figure."
    )


def _points(report: Report, value: Callable[[Epoch], float | None]) -> list[tuple[float, float]]:
    found = [(e.cumulative_energy_j, value(e)) for _, e in shown_epochs(report)]
    return [(x, y) for x, y in found if x is not None and y is not None]


def _accuracy(report: Report) -> Markup | None:
    points = _points(report, lambda e: e.validation_accuracy)
    if not points:
        return None
    target = report.workload.protocol.get("target_accuracy")
    wanted = [float(target)] if isinstance(target, int | float) else []
    x = axis([0.0, *(p[0] for p in points)], "energy so far", "J", zero=True)
    y = axis([*(p[1] for p in points), *wanted], "validation accuracy", "%")
    best = max(points, key=lambda p: p[1])
    marks = [line(x, y, [p[0] for p in points], [p[1] for p in points], series_class(0))]
    dotted = points if len(points) <= _MOST_DOTS else [best]
    marks += [dot(x, y, a, b, series_class(0), f"{percent(b)} after {format_energy(a)}") for a, b in dotted]
    labels = [Label(x=best[0], y=best[1], text=percent(best[1]), side="above")]
    hit = next((p for p in points if wanted and p[1] >= wanted[0]), None)
    if hit is not None:
        marks.append(rule(x, hit[0]))
        labels.append(
            Label(x=hit[0], y=y.scale.low, text=f"target after {format_energy(hit[0])}", side="foot")
        )
    said = f"Validation accuracy over energy: best {percent(best[1])} after {format_energy(best[0])}."
    return plot(x, y, marks, label=said, labels=labels)


def _losses(report: Report) -> dict[str, list[tuple[float, float]]]:
    lines = {
        "training": _points(report, lambda e: e.train_loss),
        "validation": _points(report, lambda e: e.validation_loss),
    }
    return {name: points for name, points in lines.items() if points}


def _loss(report: Report) -> Markup | None:
    drawn = _losses(report)
    if not drawn:
        return None
    every = [p for points in drawn.values() for p in points]
    x = axis([0.0, *(p[0] for p in every)], "energy so far", "J", zero=True)
    y = axis([p[1] for p in every], "loss")
    marks: list[Markup] = []
    for index, points in enumerate(drawn.values()):
        marks.append(line(x, y, [p[0] for p in points], [p[1] for p in points], series_class(index)))
        dotted = points if len(points) <= _MOST_DOTS else []
        marks += [
            dot(x, y, a, b, series_class(index), f"{b:.4g} after {format_energy(a)}") for a, b in dotted
        ]
    return plot(x, y, marks, label=f"Loss over energy, {' and '.join(drawn)}.")
