"""Attribution: bounded energies of steps, phases and any windows, by domain and in total."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from energyprof.analysis.arrays import Floats, sum_by
from energyprof.analysis.domains import worst
from energyprof.analysis.energy_curve import EnergyCurve, Figures
from energyprof.analysis.windows import Windows, occurrences
from energyprof.record.model import Provenance, Quantity
from energyprof.record.trace import Segments

__all__ = ["PhaseFigures", "phase_figures", "quantity", "total_quantity", "window_figures", "window_quantity"]

CHUNK = 1 << 20  # windows at a time: keeps the working memory of long runs small


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseFigures:
    """Energies of one domain by phase: figures of shape (p,)."""

    domain: str
    source: Provenance
    energy: Figures


def window_figures(curve: EnergyCurve, windows: Windows) -> Figures:
    """Return the bounded energy of each window.

    Windows that follow one another share their boundaries, so their values add up to the whole exactly.
    """
    count = len(windows)
    value, low, high = np.empty(count), np.empty(count), np.empty(count)
    for start in range(0, count, CHUNK):
        part = slice(start, start + CHUNK)
        figures = curve.energy_between(windows.start_ns[part], windows.end_ns[part])
        value[part], low[part], high[part] = figures.value, figures.low, figures.high
    return Figures(value=value, low=low, high=high)


def window_quantity(curve: EnergyCurve | None, window_ns: tuple[int, int]) -> Quantity:
    """Return the bounded energy of one window; missing where the domain has no curve."""
    if curve is None:
        return Quantity.missing()
    ends = np.array([window_ns[0]], np.int64), np.array([window_ns[1]], np.int64)
    figures = curve.energy_between(*ends)
    return quantity(figures.value[0], figures.low[0], figures.high[0], curve.source)


def quantity(value: float, low: float, high: float, source: Provenance) -> Quantity:
    """Return a quantity of plain floats."""
    return Quantity(value=float(value), low=float(low), high=float(high), source=source)


def total_quantity(parts: Mapping[str, Quantity]) -> Quantity:
    """Add up domains: values and bounds add, the provenance is the worst.

    What is missing is not in the sum; whoever shows the sum must say so. Nothing known at all is missing.
    """
    known = [part for part in parts.values() if part.value is not None]
    if not known:
        return Quantity.missing()
    return quantity(
        sum(part.value or 0.0 for part in known),
        sum(part.low or 0.0 for part in known),
        sum(part.high or 0.0 for part in known),
        worst(part.source for part in known),
    )


def phase_figures(curve: EnergyCurve, segments: Segments) -> PhaseFigures:
    """Return the bounded energy of each phase, all its occurrences together.

    Bounds of short occurrences are loose one by one but not together: in each refresh interval the energy of
    a phase that takes ``x`` of its ``D`` seconds lies between ``max(floor x, dE - ceiling (D - x))`` and
    ``min(ceiling x, dE - floor (D - x))``. Long unbroken occurrences are bounded as windows. The tighter of
    the two holds, and what the other phases leave of the total.
    """
    windows = occurrences(segments)
    count = len(segments.phases)
    figures = window_figures(curve, windows)
    value, low, high = (
        sum_by(windows.label, column, count) for column in (figures.value, figures.low, figures.high)
    )
    whole = window_quantity(curve, (int(segments.start_ns[0]), int(segments.end_ns)))
    low, high = _within(low, high, whole, value)
    return PhaseFigures(
        domain=curve.domain, source=curve.source, energy=Figures(value=value, low=low, high=high)
    )


def _within(low: Floats, high: Floats, whole: Quantity, value: Floats) -> tuple[Floats, Floats]:
    """Tighten each phase's bounds by the total less the others', never past the value itself."""
    tight_high = np.minimum(high, float(whole.high or 0.0) - (low.sum() - low))
    tight_low = np.maximum(low, float(whole.low or 0.0) - (high.sum() - high))
    return np.minimum(tight_low, value), np.maximum(tight_high, value)
