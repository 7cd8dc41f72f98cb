"""A run as a Chrome trace (JSON, gzipped) for ui.perfetto.dev.

``X`` slices for steps and for phases, ``C`` counters for power, memory and cumulative energy (one key an
event, as the viewer wants), ``M`` events that name the process and its threads. Times are microseconds since
the window opened. Source: Trace Event Format, Google: complete, counter and metadata events.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from energyprof.analysis.domains import energy_curves
from energyprof.analysis.step_table import step_table
from energyprof.analysis.windows import step_windows, window_segments
from energyprof.errors import OutputError
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Report
from energyprof.record.trace import Channel, Trace

__all__ = ["trace_events", "write_perfetto"]

Event = dict[str, Any]

_PROCESS: Final = 1
_STEPS: Final = 1  # thread ids
_PHASES: Final = 2
_COUNTED: Final = {
    ChannelKind.POWER_INSTANT: ("power", "W"),
    ChannelKind.POWER_AVERAGE: ("average power", "W"),
    ChannelKind.MEMORY: ("memory", "B"),
    ChannelKind.UTILISATION: ("utilisation", "1"),
    ChannelKind.TEMPERATURE: ("temperature", "degC"),
    ChannelKind.CLOCK: ("clock", "Hz"),
}
_ENERGY_POINTS: Final = 20_000


def write_perfetto(report: Report, trace: Trace, path: Path) -> Path:
    """Write the trace; the same run gives the same bytes.

    Args:
        report: the run's report.
        trace: its trace.
        path: the file, by custom ``*.json.gz``.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        with path.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:
            file.write(b'{"displayTimeUnit":"ms","traceEvents":[\n')
            for index, event in enumerate(trace_events(report, trace)):
                text = json.dumps(event, separators=(",", ":"), allow_nan=False)
                file.write(((",\n" if index else "") + text).encode())
            file.write(b"\n]}\n")
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def trace_events(report: Report, trace: Trace) -> Iterator[Event]:
    """Yield the events of a run, names first."""
    yield _name("process_name", f"energyprof: {report.run.name}")
    yield _name("thread_name", "steps", _STEPS)
    yield _name("thread_name", "phases", _PHASES)
    yield from _step_slices(report, trace)
    yield from _phase_slices(trace)
    yield from _energy_counters(report, trace)
    for channel in trace.channels:
        if channel.kind in _COUNTED:
            yield from _counters(trace, channel)


def _name(kind: str, name: str, thread: int | None = None) -> Event:
    event: Event = {"ph": "M", "pid": _PROCESS, "name": kind, "args": {"name": name}}
    return event if thread is None else {**event, "tid": thread}


def _step_slices(report: Report, trace: Trace) -> Iterator[Event]:
    table = step_table(trace, report.sensors, report.environment.device)
    windows = step_windows(window_segments(trace))
    energies = [table[f"energy_{part}j"].tolist() for part in ("", "low_", "high_")]
    starts, lengths = (table["start_s"] * 1e6).tolist(), (table["duration_s"] * 1e6).tolist()
    rows = zip(windows.label.tolist(), starts, lengths, *energies, strict=True)
    for number, start_us, length_us, value, low, high in rows:
        event = _slice(f"step {number}", _STEPS, start_us, length_us)
        if np.isfinite(value):
            event["args"] = {"energy_j": value, "energy_low_j": low, "energy_high_j": high}
        yield event


def _phase_slices(trace: Trace) -> Iterator[Event]:
    segments = window_segments(trace)
    ends = np.append(segments.start_ns[1:], segments.end_ns)
    starts_us, lengths_us = _us(trace, segments.start_ns), (ends - segments.start_ns) / 1e3
    rows = zip(segments.phase.tolist(), starts_us.tolist(), lengths_us.tolist(), strict=True)
    for phase, start_us, length_us in rows:
        if length_us > 0:
            yield _slice(segments.phases[phase], _PHASES, start_us, length_us)


def _energy_counters(report: Report, trace: Trace) -> Iterator[Event]:
    opened, closed = trace.window_ns
    for domain, curve in energy_curves(trace, report.sensors).items():
        if curve is None or closed <= opened:
            continue
        count = int(min(_ENERGY_POINTS, max(2, (closed - opened) / 1e9 / curve.refresh_s)))
        at = np.linspace(opened, closed, count).astype(np.int64)
        energy = curve.cumulative_j(at)
        yield from _counter(f"{domain} energy", "J", _us(trace, at), energy - energy[0])


def _counters(trace: Trace, channel: Channel) -> Iterator[Event]:
    title, unit = _COUNTED[channel.kind]
    inside = channel.t_ns >= trace.window_ns[0]
    inside &= channel.t_ns <= trace.window_ns[1]
    name = f"{channel.domain} {title}" if channel.kind is not ChannelKind.CLOCK else channel.name
    yield from _counter(name, unit, _us(trace, channel.t_ns[inside]), channel.value[inside])


def _counter(
    name: str, unit: str, at_us: NDArray[np.float64], values: NDArray[np.float64]
) -> Iterator[Event]:
    for t, value in zip(at_us.tolist(), values.tolist(), strict=True):
        if np.isfinite(value):
            yield {"ph": "C", "pid": _PROCESS, "name": name, "ts": round(t, 3), "args": {unit: value}}


def _slice(name: str, thread: int, start_us: float, length_us: float) -> Event:
    return {
        "ph": "X",
        "pid": _PROCESS,
        "tid": thread,
        "name": name,
        "ts": round(start_us, 3),
        "dur": round(length_us, 3),
    }


def _us(trace: Trace, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    return (t_ns - trace.window_ns[0]) / 1e3
