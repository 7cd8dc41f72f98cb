"""The timeline: synced charts on one clock, and a drawing of them where scripts do not run."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from energyprof.report.chart import axis, band, dot, line, plot, series_class, shade
from energyprof.report.encode import bucket
from energyprof.report.line_breaks import breaks
from energyprof.report.page import fragment
from energyprof.report.progress import energy_payload, progress_payload
from energyprof.report.section import Section
from energyprof.report.timeline import Panel, Series, payload
from energyprof.report.view import RunView
from energyprof.report.words import percent
from energyprof.units import format_count, format_duration

__all__ = ["data", "section"]

_FROM_ZERO = ("power", "memory", "utilisation", "clocks", "steps")
_DRAWN = 120  # points of a series in the drawing


def section(view: RunView) -> Section:
    """Build the section."""
    reduced = max((s.size for panel in view.panels for s in panel.series), default=1)
    body = fragment(
        "run_timeline.html",
        drawings=[(panel, drawing(panel, view.report.totals.duration_s)) for panel in view.panels],
        has_trace=view.trace is not None,
        silent=any(np.isnan(s.value).any() for panel in view.panels for s in panel.series),
        reduced=format_count(reduced) if reduced > 1 else None,
    )
    return Section(
        key="timeline",
        short="Timeline",
        title="Timeline",
        about="",
        body=body,
    )


def data(view: RunView) -> dict[str, Any] | None:
    """Return what the page's script draws from, or None where there is nothing to draw."""
    if not view.panels:
        return None
    found: dict[str, Any] = {"duration": view.report.totals.duration_s, "panels": payload(view.panels)}
    if view.trace is not None:
        found |= progress_payload(view.report, view.trace)
        if view.energy is not None:
            found["energy"] = energy_payload(view.energy)
    return found


def drawing(panel: Panel, duration_s: float) -> Markup:
    """Draw a panel without scripts: at most 300 points a series, with their least and greatest."""
    inside = [_within(series, duration_s) for series in panel.series]
    held = [bucket(t, value, _DRAWN) for t, value in inside]
    x = axis([0.0, duration_s], "time", "s", zero=True)
    values = [float(v) for b in held for v in (*b.low, *b.high) if np.isfinite(v)]
    y = axis(values, panel.title, panel.unit, zero=panel.key in _FROM_ZERO, count=4)
    marks = [
        shade(x, start, end, _unread(panel, series, start, end))
        for series, points in zip(panel.series, inside, strict=True)
        for start, end in breaks(*points)
    ]
    for index, b in enumerate(held):
        if b.size > 1:
            marks.append(
                band(x, y, b.position.tolist(), b.low.tolist(), b.high.tolist(), f"fill{index % 5 + 1}")
            )
        stairs = panel.series[index].stairs and b.size == 1
        marks.append(line(x, y, b.position.tolist(), b.mean.tolist(), series_class(index), stairs=stairs))
        if len(b.mean) == 1:
            marks.append(dot(x, y, float(b.position[0]), float(b.mean[0]), series_class(index)))
    return plot(x, y, marks, label=_said(panel), height="small")


def _within(series: Series, duration_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the part of a series inside the window, its ends interpolated; all where there is no window."""
    t, value = series.t, series.value
    inside = (t > 0) & (t < duration_s)
    if len(t) < 2 or t[-1] <= 0 or t[0] >= duration_s:
        return t, value
    ends = np.clip([t[0], t[-1]], 0.0, duration_s)
    at_ends = (
        value[np.searchsorted(t, ends, side="right") - 1] if series.stairs else np.interp(ends, t, value)
    )
    times = np.concatenate([ends[:1], t[inside], ends[1:]])
    return times, np.concatenate([at_ends[:1], value[inside], at_ends[1:]])


def _unread(panel: Panel, series: Series, start_s: float, end_s: float) -> str:
    who = f"{series.label.partition(' (')[0]} " if len(panel.series) > 1 else ""
    return f"{who}not read for {format_duration(end_s - start_s)}"


def _said(panel: Panel) -> str:
    parts = []
    for series in panel.series:
        low, high = float(np.nanmin(series.value)), float(np.nanmax(series.value))
        span = (
            f"{percent(low)} to {percent(high)}"
            if panel.unit == "%"
            else f"{low:.4g} to {high:.4g} {panel.unit}"
        )
        parts.append(f"{series.label} {span}")
    return f"{panel.title} over time: {'; '.join(parts)}."
