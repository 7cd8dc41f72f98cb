"""The table of steps: when, how long, in which phase, and how dear by every figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from energyprof.analysis.arrays import NS
from energyprof.analysis.attribution import window_figures
from energyprof.analysis.domains import domain_kind, energy_curves, worst
from energyprof.analysis.energy_curve import EnergyCurve, Figures
from energyprof.analysis.windows import Windows, step_windows, window_segments
from energyprof.record.model import Provenance, SensorInfo
from energyprof.record.trace import Channel, ChannelKind, Segments, Trace

__all__ = ["step_memory_bytes", "step_phase", "step_table"]

Column = NDArray[Any]
KINDS: Final = ("gpu", "cpu", "dram")


def step_table(trace: Trace, sensors: Sequence[SensorInfo]) -> dict[str, Column]:
    """Return one row a step as columns of equal length.

    Columns: ``start_s`` (since the window opened), ``duration_s``, ``phase`` (index into the segments'
    phases), ``energy_j``, ``energy_low_j``, ``energy_high_j`` (bounded), ``energy_modelled_j``,
    ``energy_modelled_low_j``, ``energy_modelled_high_j`` (95 % interval), ``energy_source``; the same by kind
    of domain (``gpu_energy_j`` ...); ``memory_bytes``. NaN where something is not known.
    """
    segments = window_segments(trace)
    steps = step_windows(segments)
    table: dict[str, Column] = {
        "start_s": (steps.start_ns - trace.window_ns[0]) * NS,
        "duration_s": (steps.end_ns - steps.start_ns) * NS,
        "phase": step_phase(segments, steps),
    }
    curves = {d: c for d, c in energy_curves(trace, sensors).items() if c is not None}
    table.update(_energy_columns("", list(curves.values()), steps))
    for kind in KINDS:
        chosen = [curve for domain, curve in curves.items() if domain_kind(domain) == kind]
        if chosen:
            table.update(_energy_columns(f"{kind}_", chosen, steps))
    table["memory_bytes"] = step_memory_bytes(trace.channels, steps)
    return table


def _energy_columns(prefix: str, curves: Sequence[EnergyCurve], steps: Windows) -> Mapping[str, Column]:
    figures = [window_figures(curve, steps) for curve in curves]
    nothing = np.full(len(steps), np.nan)
    total = sum(figures[1:], figures[0]) if figures else Figures(value=nothing, low=nothing, high=nothing)
    source = worst(curve.source for curve in curves) if curves else Provenance.MISSING
    return {
        f"{prefix}energy_j": total.value,
        f"{prefix}energy_low_j": total.low,
        f"{prefix}energy_high_j": total.high,
        f"{prefix}energy_modelled_j": total.value,
        f"{prefix}energy_modelled_low_j": total.low,
        f"{prefix}energy_modelled_high_j": total.high,
        f"{prefix}energy_source": np.broadcast_to(np.array(source.value), len(steps)),
    }


def step_phase(segments: Segments, steps: Windows) -> NDArray[np.int32]:
    """Return the phase that each step as a whole is in: the outermost of its segments' phases."""
    if not len(steps):
        return np.empty(0, np.int32)
    depth = np.array([name.count("/") for name in segments.phases], np.int64)
    order = np.argsort(depth, kind="stable")
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order))
    in_step = np.where(segments.step >= 0, rank[segments.phase], len(order))
    runs = np.flatnonzero(np.concatenate([[True], segments.step[1:] != segments.step[:-1]]))
    least = np.minimum.reduceat(in_step, runs)
    return order[least[segments.step[runs] >= 0]].astype(np.int32)


def step_memory_bytes(channels: Sequence[Channel], steps: Windows) -> NDArray[np.float64]:
    """Return the memory at each step's end: of the devices together, or of the host where there are none."""
    memory = [c for c in channels if c.kind is ChannelKind.MEMORY and len(c.value)]
    devices = [c for c in memory if domain_kind(c.domain) == "gpu"]
    used = devices or memory[:1]
    total = np.full(len(steps), np.nan if not used else 0.0)
    for channel in used:
        last = np.searchsorted(channel.t_ns, steps.end_ns, side="right") - 1
        total += np.where(last >= 0, channel.value[np.maximum(last, 0)], np.nan)
    return total
