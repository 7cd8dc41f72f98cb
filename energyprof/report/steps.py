"""The steps of a run as its page shows them: distribution, warm-up apart, the dearest ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from energyprof.analysis.attribution import Attribution
from energyprof.analysis.step_table import step_columns
from energyprof.record.model import Provenance, Report
from energyprof.record.trace import Segments, Trace

__all__ = ["DearStep", "StepView", "step_view"]

Floats = NDArray[np.float64]

DEAREST: Final = 10
WARM_UP: Final = 10  # first steps shown apart, or a tenth of a short run


@dataclass(frozen=True, slots=True, kw_only=True)
class DearStep:
    """One of the dearest steps.

    Attributes:
        number: counted from 0.
        low_j: bound or interval of its energy, None where the energy is not known.
        times_median: its rank figure (energy, else time) over the median of all steps.
        parts: its phases and their share of its time, in order of time.
    """

    number: int
    start_s: float
    duration_s: float
    energy_j: float | None
    low_j: float | None
    high_j: float | None
    times_median: float
    parts: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """All steps as columns.

    Attributes:
        energy_j: (n,) modelled where the regression applies, else bounded; None where no energy is known.
        by_energy: whether ``dearest`` is ranked by energy (else by time).
        warm_up: how many first steps are left out of the percentiles.
    """

    start_s: Floats
    duration_s: Floats
    energy_j: Floats | None
    low_j: Floats | None
    high_j: Floats | None
    memory_bytes: Floats
    source: Provenance
    by_energy: bool
    warm_up: int
    dearest: tuple[DearStep, ...]

    def settled(self, values: Floats) -> Floats:
        """Return the finite values of the steps after warm-up."""
        rest = values[self.warm_up :]
        found: Floats = rest[np.isfinite(rest)]
        return found


def step_view(report: Report, trace: Trace, attribution: Attribution) -> StepView | None:
    """Work the steps out of a trace and its attribution, or None where there are none."""
    table = step_columns(trace, attribution, report.environment.device)
    count = len(table["duration_s"])
    if not count:
        return None
    energy, low, high = _energy(table, report)
    ranked = energy if energy is not None else table["duration_s"]
    return StepView(
        start_s=table["start_s"],
        duration_s=table["duration_s"],
        energy_j=energy,
        low_j=low,
        high_j=high,
        memory_bytes=table["memory_bytes"],
        source=Provenance(str(table["energy_source"][0])),
        by_energy=energy is not None,
        warm_up=min(WARM_UP, count // 10),
        dearest=_dearest(attribution, table, (energy, low, high), ranked),
    )


def _energy(
    table: Mapping[str, NDArray[Any]], report: Report
) -> tuple[Floats | None, Floats | None, Floats | None]:
    kind = "energy_modelled" if report.steps.method == "modelled" else "energy"
    columns = [table[f"{kind}{part}_j"] for part in ("", "_low", "_high")]
    return (columns[0], columns[1], columns[2]) if np.isfinite(columns[0]).any() else (None, None, None)


def _dearest(
    attribution: Attribution,
    table: Mapping[str, NDArray[Any]],
    energy: tuple[Floats | None, Floats | None, Floats | None],
    ranked: Floats,
) -> tuple[DearStep, ...]:
    known = np.where(np.isfinite(ranked), ranked, -np.inf)
    top = np.argsort(-known, kind="stable")[:DEAREST]
    median = float(np.nanmedian(ranked)) or 1.0
    segments, steps = attribution.segments, attribution.steps
    return tuple(
        DearStep(
            number=int(steps.label[k]),
            start_s=float(table["start_s"][k]),
            duration_s=float(table["duration_s"][k]),
            energy_j=_at(energy[0], k),
            low_j=_at(energy[1], k),
            high_j=_at(energy[2], k),
            times_median=float(ranked[k]) / median,
            parts=_parts(segments, int(steps.first[k]), int(steps.end_ns[k])),
        )
        for k in map(int, top)
    )


def _at(values: Floats | None, k: int) -> float | None:
    return None if values is None or not np.isfinite(values[k]) else float(values[k])


def _parts(segments: Segments, first: int, end_ns: int) -> tuple[tuple[str, float], ...]:
    """Return the phases of one step and their share of its time."""
    seconds: dict[str, int] = {}
    whole = end_ns - int(segments.start_ns[first])
    k = first
    while k < len(segments.start_ns) and segments.start_ns[k] < end_ns:
        until = int(segments.start_ns[k + 1]) if k + 1 < len(segments.start_ns) else segments.end_ns
        name = segments.phases[segments.phase[k]]
        seconds[name] = seconds.get(name, 0) + min(until, end_ns) - int(segments.start_ns[k])
        k += 1
    return tuple((name, part / whole) for name, part in seconds.items()) if whole > 0 else ()
