"""How far a run had come at any time: steps, samples and joules over seconds, and its phases as bands.

The page turns time into any of these by interpolation, and reads from them what a selected range holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from energyprof.analysis.energy_curve import EnergyCurve
from energyprof.analysis.windows import step_windows, window_segments
from energyprof.record.model import Epoch, Report
from energyprof.record.trace import Segments, Trace
from energyprof.report.encode import pack, thin
from energyprof.report.epochs import MOST_EPOCHS
from energyprof.report.timeline import seconds
from energyprof.report.words import domain_word, printable

__all__ = ["Bands", "EnergyKnots", "energy_knots", "energy_payload", "phase_bands", "progress_payload"]

Floats = NDArray[np.float64]
Times = NDArray[np.int64]

_KNOTS: Final = 4000
_BANDS: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyKnots:
    """Cumulative joules of all domains together, zero when the window opened.

    Attributes:
        t_s: (n,) seconds since the window opened.
        value_j: (n,) the estimate.
        low_j: (n,) the least it can be, on a scale shared with ``high_j``.
        high_j: (n,) the most.
        floor_w: the least power of all domains together.
        ceiling_w: the most.
        by_domain_j: the estimate by domain.
        left_out: domains whose energy is not known.
    """

    t_s: Floats
    value_j: Floats
    low_j: Floats
    high_j: Floats
    floor_w: float
    ceiling_w: float
    by_domain_j: dict[str, Floats]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bands:
    """Stays in phases, in order; ``merged`` where short ones were joined to the longest near them."""

    names: tuple[str, ...]
    start_s: Floats
    phase: NDArray[np.int64]
    end_s: float
    merged: bool


def energy_knots(trace: Trace, curves: Mapping[str, EnergyCurve | None]) -> EnergyKnots | None:
    """Work out the knots of cumulative energy, or None where no domain's energy is known.

    Args:
        trace: what was recorded.
        curves: by domain, as attribution left them.
    """
    known = {domain: curve for domain, curve in curves.items() if curve is not None}
    if not known or trace.window_ns[1] <= trace.window_ns[0]:
        return None
    at_ns = _knot_times(trace, list(known.values()))
    values = {domain: _from_zero(curve.cumulative_j(at_ns)) for domain, curve in known.items()}
    parts = [part for curve in known.values() for part in curve.parts]
    at_s = at_ns / 1e9
    return EnergyKnots(
        t_s=seconds(trace, at_ns),
        value_j=np.sum(list(values.values()), axis=0),
        low_j=np.sum([np.minimum(p.least.low.at(at_s), p.most.low.at(at_s)) for p in parts], axis=0),
        high_j=np.sum([np.maximum(p.most.high.at(at_s), p.least.high.at(at_s)) for p in parts], axis=0),
        floor_w=sum(p.limits.floor_w for p in parts),
        ceiling_w=sum(p.limits.ceiling_w for p in parts),
        by_domain_j=values,
        left_out=tuple(domain for domain, curve in curves.items() if curve is None),
    )


def energy_payload(knots: EnergyKnots) -> dict[str, Any]:
    """Pack the knots for the page's script."""
    fine = max(float(knots.value_j[-1]), 1e-3) / 1e6
    return {
        "t": pack(knots.t_s, 1e-5),
        "v": pack(knots.value_j, fine),
        "lo": pack(knots.low_j - knots.low_j[0], fine),
        "hi": pack(knots.high_j - knots.low_j[0], fine),
        "floor": knots.floor_w,
        "ceiling": knots.ceiling_w,
        "fine": fine,
        "domains": [[domain_word(d), pack(v, fine)] for d, v in knots.by_domain_j.items()],
        "left_out": [domain_word(domain) for domain in knots.left_out],
    }


def progress_payload(report: Report, trace: Trace) -> dict[str, Any]:
    """Pack steps, samples, bands and epochs for the page's script."""
    windows = step_windows(window_segments(trace))
    found: dict[str, Any] = {"epochs": _epoch_ticks(report.epochs)}
    if len(windows):
        kept = thin(len(windows), _KNOTS)
        begun = np.append(kept, len(windows))
        at = np.append(windows.start_ns[kept], windows.end_ns[-1])
        found["steps"] = {"t": pack(seconds(trace, at), 1e-5), "v": pack(begun, 1)}
    if (samples := _samples(report, trace, windows.start_ns, windows.end_ns)) is not None:
        found["samples"] = {"t": pack(seconds(trace, samples[0]), 1e-5), "v": pack(samples[1], 1)}
    bands = phase_bands(trace)
    found["bands"] = {
        "names": [printable(name, 80) for name in bands.names],
        "t": pack(bands.start_s, 1e-5),
        "phase": pack(bands.phase, 1),
        "end": bands.end_s,
        "merged": bands.merged,
    }
    return found


def phase_bands(trace: Trace) -> Bands:
    """Return the stays in phases: all if they are few, else by first name, else what fills each slice."""
    segments = window_segments(trace)
    whole = _stays(segments, np.arange(len(segments.phases)), segments.phases)
    if len(whole.start_s) <= _BANDS:
        return _shift(whole, trace)
    first = [name.split("/")[0] for name in segments.phases]
    names = tuple(dict.fromkeys(first))
    top = _stays(segments, np.array([names.index(name) for name in first]), names)
    return _shift(top if len(top.start_s) <= _BANDS else _dominant(top), trace)


def _stays(segments: Segments, group: NDArray[np.int64], names: Sequence[str]) -> Bands:
    phase = group[segments.phase]
    lengths = np.diff(segments.start_ns, append=segments.end_ns)
    phase, start = phase[lengths > 0], segments.start_ns[lengths > 0]
    first = np.flatnonzero(np.diff(phase, prepend=-1))
    return Bands(
        names=tuple(names),
        start_s=start[first] / 1e9,
        phase=phase[first],
        end_s=segments.end_ns / 1e9,
        merged=False,
    )


def _dominant(bands: Bands) -> Bands:
    """Cut the time into equal slices and give each to the phase that fills most of it."""
    edges = np.linspace(bands.start_s[0], bands.end_s, _BANDS + 1)
    starts, ends = bands.start_s, np.append(bands.start_s[1:], bands.end_s)
    filled = np.empty((len(bands.names), _BANDS))
    for index in range(len(bands.names)):
        mine = bands.phase == index
        inside = np.concatenate([[0.0], np.cumsum(ends[mine] - starts[mine])])
        knots = np.concatenate([[edges[0]], np.column_stack([starts[mine], ends[mine]]).ravel()])
        values = np.concatenate([[0.0], np.repeat(inside, 2)[1:-1]])
        filled[index] = np.diff(np.interp(edges, knots, values))
    phase = filled.argmax(axis=0)
    first = np.flatnonzero(np.diff(phase, prepend=-1))
    return Bands(
        names=bands.names,
        start_s=edges[first],
        phase=phase[first].astype(np.int64),
        end_s=bands.end_s,
        merged=True,
    )


def _shift(bands: Bands, trace: Trace) -> Bands:
    opened = trace.window_ns[0] / 1e9
    return Bands(
        names=bands.names,
        start_s=bands.start_s - opened,
        phase=bands.phase,
        end_s=bands.end_s - opened,
        merged=bands.merged,
    )


def _knot_times(trace: Trace, curves: list[EnergyCurve]) -> Times:
    opened, closed = trace.window_ns
    own = [knots.time_s for c in curves for p in c.parts for knots in (p.estimate, p.most.high, p.most.low)]
    times = np.unique((np.concatenate(own) * 1e9).round().astype(np.int64))
    inside = times[(times > opened) & (times < closed)]
    return np.concatenate([[opened], inside[thin(len(inside), _KNOTS)], [closed]])


def _from_zero(values: Floats) -> Floats:
    return np.asarray(values - values[0], np.float64)


def _samples(report: Report, trace: Trace, start_ns: Times, end_ns: Times) -> tuple[Times, Floats] | None:
    """Return knots of the samples seen: spread evenly over the steps between exact counts."""
    rows = [k for k, name in enumerate(trace.metrics.name) if name == "samples"]
    opened, closed = trace.window_ns
    if rows:
        at, seen = trace.metrics.t_ns[rows], trace.metrics.value[rows]
    elif report.totals.samples:
        at, seen = np.array([closed]), np.array([float(report.totals.samples)])
    else:
        return None
    at, seen = np.concatenate([[opened], at]), np.concatenate([[0.0], seen])
    if not len(end_ns):
        return at, seen
    kept = thin(len(end_ns), _KNOTS)
    moments = np.unique(np.concatenate([[opened], start_ns[kept], end_ns[kept], [closed]]))
    done = _steps_done(moments, start_ns, end_ns)
    done_at = _steps_done(at, start_ns, end_ns)
    keep = np.concatenate([[True], np.diff(done_at) > 0])
    return moments, np.interp(done, done_at[keep], seen[keep])


def _steps_done(at: Times, start_ns: Times, end_ns: Times) -> Floats:
    k = np.searchsorted(end_ns, at, side="right")
    inside = np.minimum(k, len(end_ns) - 1)
    part = (at - start_ns[inside]) / np.maximum(end_ns[inside] - start_ns[inside], 1)
    return np.asarray(k + np.where(k < len(end_ns), np.clip(part, 0.0, 1.0), 0.0), np.float64)


def _epoch_ticks(epochs: Sequence[Epoch]) -> list[list[Any]]:
    stages = len({e.stage for e in epochs}) > 1
    kept = [epochs[k] for k in thin(len(epochs), MOST_EPOCHS)] if epochs else []
    return [
        [e.end_s, f"{printable(e.stage, 40)} {e.index + 1}" if stages else str(e.index + 1)] for e in kept
    ]
