"""The table of steps: when, how long, in which phase, and how dear by every figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from energyprof.analysis.arrays import Floats, seconds
from energyprof.analysis.attribution import Attribution, attribute, empty_figures, total_figures
from energyprof.analysis.domains import domain_kind, worst
from energyprof.analysis.energy_curve import Figures
from energyprof.analysis.windows import Windows
from energyprof.record.model import Provenance, SensorInfo
from energyprof.record.trace import Channel, ChannelKind, Segments, Trace

__all__ = ["step_columns", "step_memory_bytes", "step_phase", "step_table"]

Column = NDArray[Any]
KINDS: Final = ("gpu", "cpu", "dram")


def step_table(trace: Trace, sensors: Sequence[SensorInfo]) -> dict[str, Column]:
    """Return one row a step as columns of equal length.

    Columns: ``start_s`` (since the window opened), ``duration_s``, ``phase`` (index into the segments'
    phases), ``energy_j``, ``energy_low_j``, ``energy_high_j`` (bounded), ``energy_modelled_j``,
    ``energy_modelled_low_j``, ``energy_modelled_high_j`` (95 % interval), ``energy_source``; the same by kind
    of domain (``gpu_energy_j`` ...) where it was read; ``memory_bytes``. NaN where something is not known.

    Args:
        trace: what was recorded.
        sensors: what its channels mean.
    """
    return step_columns(trace, attribute(trace, sensors))


def step_columns(trace: Trace, attribution: Attribution) -> dict[str, Column]:
    """Return the columns of :func:`step_table` from what was attributed already."""
    steps = attribution.steps
    table: dict[str, Column] = {
        "start_s": seconds(steps.start_ns - trace.window_ns[0]),
        "duration_s": seconds(steps.end_ns - steps.start_ns),
        "phase": step_phase(attribution.segments, steps),
    }
    kinds: dict[str, tuple[list[Figures], list[Figures], list[Provenance]]] = {}
    for name, domain in attribution.known.items():
        bounded = domain.bounded_steps()
        modelled = domain.modelled_steps(bounded)
        for kind in ("", domain_kind(name)):
            lists = kinds.setdefault(kind, ([], [], []))
            lists[0].append(bounded)
            lists[1].append(modelled)
            lists[2].append(domain.curve.source)
    kinds.setdefault("", ([empty_figures(len(steps))], [empty_figures(len(steps))], []))
    for kind in ("", *KINDS):
        if kind in kinds:
            table.update(_energy_columns(f"{kind}_" if kind else "", *kinds[kind], len(steps)))
    table["memory_bytes"] = step_memory_bytes(trace.channels, steps)
    return table


def _energy_columns(
    prefix: str,
    bounded: Sequence[Figures],
    modelled: Sequence[Figures],
    sources: Sequence[Provenance],
    count: int,
) -> Mapping[str, Column]:
    known, likely = total_figures(bounded), total_figures(modelled)
    return {
        f"{prefix}energy_j": known.value,
        f"{prefix}energy_low_j": known.low,
        f"{prefix}energy_high_j": known.high,
        f"{prefix}energy_modelled_j": likely.value,
        f"{prefix}energy_modelled_low_j": likely.low,
        f"{prefix}energy_modelled_high_j": likely.high,
        f"{prefix}energy_source": np.broadcast_to(np.array(worst(sources).value), count),
    }


def step_phase(segments: Segments, steps: Windows) -> NDArray[np.int32]:
    """Return the phase that each step as a whole is in: the outermost of its segments' phases."""
    if not len(steps):
        return np.empty(0, np.int32)
    order = np.argsort([name.count("/") for name in segments.phases], kind="stable").astype(np.int32)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order), dtype=np.int32)
    outermost = np.minimum.reduceat(rank[segments.phase], _bounds(steps, len(segments.phase)))
    found: NDArray[np.int32] = order[outermost[::2]]
    return found


def _bounds(steps: Windows, count: int) -> NDArray[np.int64]:
    """Return first and stop of each step in turn, for ``reduceat``; a stop at the very end is left out."""
    bounds = np.stack([steps.first, steps.stop], axis=1).ravel()
    return bounds[:-1] if bounds[-1] >= count else bounds


def step_memory_bytes(channels: Sequence[Channel], steps: Windows) -> Floats:
    """Return the memory at each step's end: of the devices together, or of the host where there are none."""
    memory = [c for c in channels if c.kind is ChannelKind.MEMORY and len(c.value)]
    devices = [c for c in memory if domain_kind(c.domain) == "gpu"]
    used = devices or [c for c in memory if c.name == "host/memory"]
    total = np.full(len(steps), np.nan if not used else 0.0)
    for channel in used:
        last = np.searchsorted(channel.t_ns, steps.end_ns, side="right") - 1
        total += np.where(last >= 0, channel.value[np.maximum(last, 0)], np.nan)
    return total
