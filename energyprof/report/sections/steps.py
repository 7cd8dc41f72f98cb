"""Steps: how long and how dear they are, warm-up apart, and the dearest ones with what they were made of."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from energyprof.report.chart import Axis, Label, axis, bars, plot, rule
from energyprof.report.encode import bucket, pack
from energyprof.report.page import fragment
from energyprof.report.section import Section
from energyprof.report.steps import StepView
from energyprof.report.view import RunView
from energyprof.units import format_duration, format_energy

__all__ = ["data", "histogram", "section"]

_PERCENTILES: Final = (5, 50, 90, 95, 99, 100)
_EXPORTED: Final = 6_000  # steps that the page holds one by one for its CSV


def section(view: RunView) -> Section:
    """Build the section."""
    steps = view.steps
    body = fragment(
        "run_steps.html",
        steps=view.report.steps,
        view=steps,
        rows=_rows(steps) if steps is not None else [],
        percentiles=_PERCENTILES,
        charts=_charts(steps) if steps is not None else [],
    )
    return Section(
        key="steps",
        short="Steps",
        title="Steps",
        about="One step is one update of the weights.",
        body=body,
    )


def data(view: RunView) -> dict[str, Any] | None:
    """Return the steps for the page's CSV: one by one, or in buckets of neighbours where they are many."""
    steps = view.steps
    if steps is None:
        return None
    number = np.arange(len(steps.duration_s), dtype=np.float64)
    columns = {"start_s": (steps.start_s, 1e-5), "duration_s": (steps.duration_s, 1e-6)}
    if steps.energy_j is not None:
        finest = max(float(np.nanmedian(np.abs(steps.energy_j))) * 1e-4, 1e-9)
        columns["energy_j"] = (steps.energy_j, finest)
    taken = {name: bucket(number, values, _EXPORTED) for name, (values, _) in columns.items()}
    return {
        "size": next(iter(taken.values())).size,
        "columns": {name: pack(taken[name].mean, columns[name][1]) for name in columns},
    }


def _rows(steps: StepView) -> list[dict[str, Any]]:
    rows = [_row("Time", steps, steps.duration_s, format_duration)]
    if steps.energy_j is not None:
        rows.append(_row("Energy", steps, steps.energy_j, format_energy))
    return rows


def _row(name: str, steps: StepView, values: NDArray[np.float64], render: Any) -> dict[str, Any]:
    settled = steps.settled(values)
    warm = values[: steps.warm_up]
    return {
        "name": name,
        "cells": [render(float(v)) for v in np.percentile(settled, _PERCENTILES)] if len(settled) else [],
        "mean": render(float(settled.mean())) if len(settled) else None,
        "warm_up": render(float(np.nanmean(warm))) if np.isfinite(warm).any() else None,
    }


def _charts(steps: StepView) -> list[dict[str, Any]]:
    charts = [histogram("time a step", steps.settled(steps.duration_s), "s", format_duration)]
    if steps.energy_j is not None:
        charts.append(histogram("energy a step", steps.settled(steps.energy_j), "J", format_energy))
    return [chart for chart in charts if chart is not None]


def histogram(title: str, values: NDArray[np.float64], unit: str, render: Any) -> dict[str, Any] | None:
    """Draw a histogram of the bulk of the steps; how many lie beyond it is said."""
    if len(values) < 5:
        return None
    p1, p10, p50, p90, p99 = (float(v) for v in np.percentile(values, (1, 10, 50, 90, 99)))
    reach = 4 * (p90 - p10)
    low, high = max(float(values.min()), p50 - reach, 0.9 * p1), min(float(values.max()), p50 + reach)
    inside = values[(values >= low) & (values <= high)]
    low, high = float(inside.min()), float(inside.max())
    if not high > low:
        return None
    heights, edges = np.histogram(inside, bins=int(np.clip(np.sqrt(len(inside)) * 1.5, 12, 60)))
    x = axis([low, high], title, unit, count=4)
    y = axis([0.0, 1.15 * float(heights.max())], "steps", zero=True, count=3)
    rules = {"p50": p50, "p90": p90, "p99": p99}
    shown = {name: value for name, value in rules.items() if value <= x.scale.high}
    marks = [bars(x, y, edges.tolist(), heights.tolist(), "fill1"), *(rule(x, v) for v in shown.values())]
    labels = _apart([Label(x=v, y=y.scale.high, text=name, side="over") for name, v in shown.items()], x)
    said = f"Histogram of {title}: half of the steps below {render(p50)}, 99 in 100 below {render(p99)}."
    return {
        "plot": plot(x, y, marks, label=said, labels=labels, height="small"),
        "shorter": int((values < low).sum()),
        "longer": int((values > high).sum()),
        "greatest": render(float(values.max())),
    }


def _apart(labels: list[Label], x: Axis) -> list[Label]:
    """Leave out a label that would stand in the one before it."""
    kept: list[Label] = []
    for label in labels:
        if not kept or x.scale.at(label.x) - x.scale.at(kept[-1].x) > 0.09:
            kept.append(label)
    return kept
