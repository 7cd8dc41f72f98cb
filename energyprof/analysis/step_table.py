"""The table of steps: when, how long, in which phase, and how dear by every figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from energyprof.analysis.arrays import Floats, seconds_between
from energyprof.analysis.attribution import Attribution, DomainAttribution, attribute
from energyprof.analysis.domains import domain_kind, worst
from energyprof.analysis.windows import Windows
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import SensorInfo
from energyprof.record.trace import Channel, Segments, Trace

__all__ = ["step_columns", "step_memory_bytes", "step_phase", "step_table"]

Column = NDArray[Any]
KINDS: Final = ("gpu", "cpu", "dram")
CELLS: Final = 1 << 17  # steps x phases at a time: they stay in the processor's cache


def step_table(trace: Trace, sensors: Sequence[SensorInfo], device: str | None = None) -> dict[str, Column]:
    """Return one row a step as columns of equal length.

    Columns: ``start_s`` (since the window opened), ``duration_s``, ``phase`` (index into the segments'
    phases), ``energy_j``, ``energy_low_j``, ``energy_high_j`` (bounded), ``energy_modelled_j``,
    ``energy_modelled_low_j``, ``energy_modelled_high_j`` (95 % interval), ``energy_source``; the same by kind
    of domain (``gpu_energy_j`` ...) where it was read; ``memory_bytes``. NaN where something is not known.

    Args:
        trace: what was recorded.
        sensors: what its channels mean.
        device: what training ran on: on ``cpu`` a card's memory is none of the steps'.
    """
    return step_columns(trace, attribute(trace, sensors), device)


def step_columns(trace: Trace, attribution: Attribution, device: str | None = None) -> dict[str, Column]:
    """Return the columns of :func:`step_table` from what was attributed already."""
    steps = attribution.steps
    table: dict[str, Column] = {
        "start_s": seconds_between(trace.window_ns[0], steps.start_ns),
        "duration_s": seconds_between(steps.start_ns, steps.end_ns),
        "phase": step_phase(attribution.segments, steps),
    }
    everything = list(attribution.known.values())
    for kind in ("", *KINDS):
        chosen = [d for d in everything if not kind or domain_kind(d.curve.domain) == kind]
        prefix = f"{kind}_" if kind else ""
        if kind and chosen and len(chosen) == len(everything):
            table.update({prefix + name: table[name] for name in _ENERGY})
        elif chosen or not kind:
            table.update(_energy_columns(prefix, chosen, len(steps)))
    table["memory_bytes"] = step_memory_bytes(trace.channels, steps, device)
    return table


_ENERGY: Final = (
    "energy_j",
    "energy_low_j",
    "energy_high_j",
    "energy_modelled_j",
    "energy_modelled_low_j",
    "energy_modelled_high_j",
    "energy_source",
)


def _energy_columns(prefix: str, domains: Sequence[DomainAttribution], count: int) -> dict[str, Column]:
    """Return the energy columns of some domains together; NaN where there is none."""
    columns = [np.empty(count) if domains else np.broadcast_to(np.nan, count) for _ in _ENERGY[:-1]]
    for place, domain in enumerate(domains):
        chunk = max(CELLS // len(domain.segments.phases), 1)
        for start in range(0, count, chunk):
            rows = slice(start, start + chunk)
            bounded, modelled = domain.step_figures(rows)
            parts = (bounded.value, bounded.low, bounded.high, modelled.value, modelled.low, modelled.high)
            for column, part in zip(columns, parts, strict=True):
                column[rows] = column[rows] + part if place else part
    source = worst(domain.curve.source for domain in domains).value
    columns.append(np.broadcast_to(np.array(source), count))
    return {prefix + name: column for name, column in zip(_ENERGY, columns, strict=True)}


def step_phase(segments: Segments, steps: Windows) -> NDArray[np.int32]:
    """Return the phase that each step as a whole is in: the outermost of its segments' phases."""
    if not len(steps):
        return np.empty(0, np.int32)
    order = np.argsort([name.count("/") for name in segments.phases], kind="stable").astype(np.int32)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order), dtype=np.int32)
    phase = np.empty(len(steps), np.int32)
    for start in range(0, len(steps), CELLS):
        first = steps.first[start : start + CELLS]
        inside = slice(int(first[0]), int(steps.stop[start + len(first) - 1]))
        ranks = rank[segments.phase[inside]]
        ranks[segments.step[inside] < 0] = len(order) - 1  # what lies between steps says nothing of them
        phase[start : start + CELLS] = order[np.minimum.reduceat(ranks, first - inside.start)]
    return phase


def step_memory_bytes(channels: Sequence[Channel], steps: Windows, device: str | None = None) -> Floats:
    """Return the memory at each step's end: of the devices together, or of the host where there are none.

    A run on the CPU has none: what a card beside it holds is not its own.
    """
    memory = [c for c in channels if c.kind is ChannelKind.MEMORY and len(c.value)]
    used = [c for c in memory if domain_kind(c.domain) == "gpu" and c.name == f"{c.domain}/memory"]
    devices = used or [c for c in memory if c.name.endswith("/memory_allocated")]
    chosen = (device != "cpu" and devices) or [c for c in memory if c.name == "host/memory"]
    if not chosen:
        return np.broadcast_to(np.nan, len(steps))
    total = np.zeros(len(steps))
    for channel in chosen:
        last = np.searchsorted(channel.t_ns, steps.end_ns, side="right") - 1
        total += np.where(last >= 0, channel.value[np.maximum(last, 0)], np.nan)
    return total
