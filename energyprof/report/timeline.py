"""What the timeline of a run shows: panels of series, phase bands, epoch ticks and the x axes to choose from.

Times are seconds since the window opened. Series longer than their budget become a mean with its least and
greatest value, and say so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from energyprof.analysis.epochs import is_reserved
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Report
from energyprof.record.trace import Channel, Trace
from energyprof.report.encode import bucket, pack
from energyprof.report.line_breaks import broken, silences
from energyprof.report.steps import StepView
from energyprof.report.words import domain_word, printable

__all__ = ["Panel", "Series", "panels_of", "payload"]

Floats = NDArray[np.float64]

POINT_BUDGET: Final = 50_000  # points in all series of a page together: about 80 KB
_STATE_KINDS: Final = (
    (ChannelKind.UTILISATION, "utilisation", "Utilisation", "%", 0.001),
    (ChannelKind.MEMORY, "memory", "Memory", "B", 4096.0),
    (ChannelKind.TEMPERATURE, "temperature", "Temperature", "°C", 0.1),
    (ChannelKind.CLOCK, "clocks", "Clocks", "Hz", 1e6),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line of a panel; ``low`` and ``high`` are there where buckets of ``size`` points were taken.

    A value is NaN in a silence of the sensor: the line breaks there.
    """

    label: str
    t: Floats  # (n,) seconds since the window opened
    value: Floats  # (n,)
    resolution: float
    stairs: bool = False  # each value holds until the next
    low: Floats | None = None
    high: Floats | None = None
    size: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Series that share a vertical axis."""

    key: str
    title: str
    unit: str
    series: tuple[Series, ...] = field(default_factory=tuple)


def panels_of(report: Report, trace: Trace | None, steps: StepView | None = None) -> tuple[Panel, ...]:
    """Build the panels that have anything to show, within the page's budget of points."""
    panels = [*_channel_panels(trace), *_step_panel(steps), *_metric_panels(report, trace)]
    points = sum(len(s.t) for panel in panels for s in panel.series)
    if points <= POINT_BUDGET:
        return tuple(panels)
    share = POINT_BUDGET / points
    return tuple(_reduced(panel, share) for panel in panels)


def payload(panels: Iterable[Panel]) -> list[dict[str, Any]]:
    """Pack panels for the page's script."""
    return [
        {
            "key": panel.key,
            "title": panel.title,
            "unit": panel.unit,
            "series": [_packed(series) for series in panel.series],
        }
        for panel in panels
    ]


def seconds(trace: Trace, t_ns: NDArray[np.int64]) -> Floats:
    """Return seconds since the window opened."""
    return (t_ns - trace.window_ns[0]) / 1e9


def _channel_panels(trace: Trace | None) -> list[Panel]:
    if trace is None:
        return []
    panels = [Panel(key="power", title="Power", unit="W", series=tuple(_power(trace)))]
    for kind, key, title, unit, resolution in _STATE_KINDS:
        channels = [c for c in trace.channels if c.kind is kind and len(c.t_ns)]
        series = tuple(_state_series(trace, c, channels, resolution) for c in channels)
        panels.append(Panel(key=key, title=title, unit=unit, series=series))
    return [panel for panel in panels if panel.series]


def _power(trace: Trace) -> Iterable[Series]:
    """One series a domain: instant power where it was read, else the counter's, else the average."""
    domains = dict.fromkeys(c.domain for c in trace.channels if c.unit in ("J", "W"))
    for domain in domains:
        of = {c.kind: c for c in trace.channels if c.domain == domain and len(c.t_ns) > 1}
        if instant := of.get(ChannelKind.POWER_INSTANT):
            yield _reading_series(trace, instant, f"{domain_word(domain)} (instant)", 0.05)
        elif counter := of.get(ChannelKind.ENERGY):
            yield _counter_power(trace, counter)
        elif average := of.get(ChannelKind.POWER_AVERAGE):
            yield _reading_series(trace, average, f"{domain_word(domain)} (1 s average)", 0.05)


def _counter_power(trace: Trace, channel: Channel) -> Series:
    """Mean power between a counter's refresh edges: joules gained over the time they took."""
    moved = np.flatnonzero(np.diff(channel.value, prepend=-1.0) != 0)
    t, energy = seconds(trace, channel.t_ns[moved]), channel.value[moved]
    span = np.diff(t)
    keep = span > 0
    power = np.diff(energy)[keep] / span[keep]
    held = np.append(power, power[-1:])
    edges = moved[np.append(keep, True)] if len(power) else moved[:0]
    times, held = _stairs(trace, channel, edges, held)
    return Series(label=f"{domain_word(channel.domain)}", t=times, value=held, resolution=0.05, stairs=True)


def _stairs(trace: Trace, channel: Channel, edges: NDArray[np.intp], power: Floats) -> tuple[Floats, Floats]:
    """Break stairs in silences: what a counter gained over one tells no power in it."""
    t = seconds(trace, channel.t_ns[edges])
    if not len(t):
        return t, power
    silent = silences(channel, edges)
    for last in silent.after:
        power[last] = power[last - 1] if last > 0 else np.nan
    return broken(t, power, silent, trace.window_ns[0])


def _reading_series(trace: Trace, channel: Channel, label: str, resolution: float) -> Series:
    t, value = _readings(trace, channel)
    return Series(label=label, t=t, value=value, resolution=resolution)


def _state_series(trace: Trace, channel: Channel, among: list[Channel], resolution: float) -> Series:
    t, value = _readings(trace, channel)
    tail = channel.name.rpartition("/")[2]
    alone = sum(c.domain == channel.domain for c in among) == 1
    label = domain_word(channel.domain) if alone else f"{domain_word(channel.domain)} {_spoken(tail)}"
    return Series(label=label, t=t, value=value, resolution=resolution)


def _readings(trace: Trace, channel: Channel) -> tuple[Floats, Floats]:
    t, silent = seconds(trace, channel.t_ns), silences(channel)
    return _changes(*broken(t, channel.value, silent, trace.window_ns[0]))


def _changes(t: Floats, value: Floats) -> tuple[Floats, Floats]:
    """Drop readings in the middle of a level stretch: the line through the rest is the same."""
    if len(value) < 3:
        return t, value
    same = value[1:] == value[:-1]
    inner = np.zeros(len(value), bool)
    inner[1:-1] = same[:-1] & same[1:]
    return t[~inner], value[~inner]


def _step_panel(steps: StepView | None) -> list[Panel]:
    if steps is None:
        return []
    series = Series(
        label="time a step",
        t=steps.start_s,
        value=steps.duration_s,
        resolution=float(np.median(steps.duration_s)) / 500 or 1e-9,
    )
    return [Panel(key="steps", title="Steps", unit="s", series=(series,))]


def _metric_panels(report: Report, trace: Trace | None) -> list[Panel]:
    series = _logged(trace) if trace is not None and len(trace.metrics.name) else _from_epochs(report)
    loss = tuple(s for s in series if "loss" in s.label.lower())
    accuracy = tuple(s for s in series if "acc" in s.label.lower() and "loss" not in s.label.lower())
    panels = (
        Panel(key="loss", title="Loss", unit="", series=loss),
        Panel(key="accuracy", title="Accuracy", unit="%", series=accuracy),
    )
    return [panel for panel in panels if panel.series]


def _logged(trace: Trace) -> list[Series]:
    names = np.array(trace.metrics.name, dtype=object)
    t = seconds(trace, trace.metrics.t_ns)
    found = []
    for name in dict.fromkeys(trace.metrics.name):
        if is_reserved(name) or "/" in name:  # a layer's own figures have a section of their own
            continue
        rows = np.flatnonzero((names == name) & np.isfinite(trace.metrics.value))
        if len(rows):
            values = trace.metrics.value[rows]
            found.append(Series(label=_spoken(name), t=t[rows], value=values, resolution=_fine(values)))
    return found


def _from_epochs(report: Report) -> list[Series]:
    columns = {
        "train loss": [e.train_loss for e in report.epochs],
        "validation loss": [e.validation_loss for e in report.epochs],
        "validation accuracy": [e.validation_accuracy for e in report.epochs],
    }
    ends = np.array([e.end_s for e in report.epochs], np.float64)
    found = []
    for label, column in columns.items():
        values = np.array([np.nan if v is None else v for v in column], np.float64)
        keep = np.isfinite(values)
        if keep.any():
            found.append(
                Series(label=label, t=ends[keep], value=values[keep], resolution=_fine(values[keep]))
            )
    return found


def _spoken(name: str) -> str:
    return printable(name.replace("_", " ").replace("/", " "), 60)


def _fine(values: Floats) -> float:
    spread = float(np.ptp(values)) or float(np.max(np.abs(values), initial=0.0)) or 1.0
    return spread / 20_000


def _reduced(panel: Panel, share: float) -> Panel:
    return Panel(
        key=panel.key,
        title=panel.title,
        unit=panel.unit,
        series=tuple(_fewer(s, share) for s in panel.series),
    )


def _fewer(series: Series, share: float) -> Series:
    if len(series.t) <= 500:
        return series
    buckets = bucket(series.t, series.value, max(500, int(len(series.t) * share / 3)))
    return Series(
        label=series.label,
        t=buckets.position,
        value=buckets.mean,
        resolution=series.resolution,
        low=buckets.low,
        high=buckets.high,
        size=buckets.size,
    )


def _packed(series: Series) -> dict[str, Any]:
    packed: dict[str, Any] = {
        "label": series.label,
        "t": pack(series.t, _time_resolution(series.t)),
        "v": pack(series.value, series.resolution),
    }
    if series.stairs:
        packed["stairs"] = True
    if series.low is not None and series.high is not None:
        packed |= {
            "lo": pack(series.low, series.resolution),
            "hi": pack(series.high, series.resolution),
            "size": series.size,
        }
    return packed


def _time_resolution(t: Floats) -> float:
    """A millionth of the span, and never finer than 10 µs: far below a pixel at any useful zoom."""
    return max(1e-5, float(np.ptp(t)) / 1e7) if len(t) else 1e-5
