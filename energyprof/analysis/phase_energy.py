"""Energy of each phase, all its occurrences together: bounded and modelled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from energyprof.analysis.arrays import NS, Floats, sum_by
from energyprof.analysis.attribution import DomainAttribution, window_quantity
from energyprof.analysis.design_matrix import phase_seconds_between, row_chunks, segment_at
from energyprof.analysis.energy_curve import EnergyCurve, Figures, SensorCurve
from energyprof.analysis.windows import SEGMENTS_AT_A_TIME, boundaries, phase_seconds
from energyprof.record.model import Provenance, Quantity
from energyprof.record.trace import Segments

__all__ = ["PhaseFigures", "phase_figures"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseFigures:
    """Energies of one domain by phase, each of shape (p,).

    Attributes:
        domain: which.
        source: its provenance.
        bounded: with guaranteed bounds.
        modelled: with 95 % intervals, or None where no regression was possible.
    """

    domain: str
    source: Provenance
    bounded: Figures
    modelled: Figures | None


def phase_figures(domain: DomainAttribution) -> PhaseFigures:
    """Return the energy of each phase.

    Bounds of short occurrences are loose one by one but not together: in each refresh interval the energy of
    a phase that takes ``x`` of its ``D`` seconds lies between ``max(floor x, dE - ceiling (D - x))`` and
    ``min(ceiling x, dE - floor (D - x))``. Long unbroken occurrences are bounded as windows. The tighter of
    the two holds, and what the other phases leave of the total.
    """
    curve, segments = domain.curve, domain.segments
    value, low, high = _sums(curve, segments)
    joint_low, joint_high = _joint_bounds(curve.parts, segments)
    whole = window_quantity(curve, (int(segments.start_ns[0]), segments.end_ns))
    bounded = _within(value, np.maximum(low, joint_low), np.minimum(high, joint_high), whole)
    return PhaseFigures(
        domain=curve.domain,
        source=curve.source,
        bounded=bounded,
        modelled=_modelled(domain, bounded, whole) if domain.models else None,
    )


def _sums(curve: EnergyCurve, segments: Segments) -> tuple[Floats, Floats, Floats]:
    """Return (p,) value, least and most energy of each phase: its occurrences one by one, added up."""
    total = np.zeros((3, len(segments.phases)))
    for start in range(0, len(segments.phase), SEGMENTS_AT_A_TIME):
        phase = segments.phase[start : start + SEGMENTS_AT_A_TIME]
        ends = boundaries(segments, start, start + len(phase))
        first = np.flatnonzero(np.concatenate([[True], phase[1:] != phase[:-1]]))
        figures = curve.energy_of_intervals(ends[np.append(first, len(phase))])
        for row, column in zip(total, (figures.value, figures.low, figures.high), strict=True):
            row += sum_by(phase[first], column, len(row))
    return total[0], total[1], total[2]


def _joint_bounds(parts: tuple[SensorCurve, ...], segments: Segments) -> tuple[Floats, Floats]:
    """Bound each phase interval by interval, summed over a domain's sensors."""
    low, high = np.zeros(len(segments.phases)), np.zeros(len(segments.phases))
    open_s, close_s = float(segments.start_ns[0]) * NS, segments.end_ns * NS
    for part in parts:
        at = part.refreshes.at_s
        cuts = np.concatenate([[open_s], at[(at > open_s) & (at < close_s)], [close_s]])
        places = segment_at(segments, cuts)
        for rows in row_chunks(places[:-1], places[1:]):
            around = slice(rows.start, rows.stop + 1)
            ends = cuts[around]
            spent = phase_seconds_between(segments, ends, places[around])
            least, most = _joint_rows(part, part.differences(ends), np.diff(ends), spent)
            low += least
            high += most
    return low, high


def _joint_rows(part: SensorCurve, energy: Figures, length: Floats, spent: Floats) -> tuple[Floats, Floats]:
    floor, ceiling = part.limits.floor_w, part.limits.ceiling_w
    rest = length[:, None] - spent
    occurs = spent > 0
    least = np.maximum(floor * spent, energy.low[:, None] - ceiling * rest)
    most = np.minimum(ceiling * spent, energy.high[:, None] - floor * rest)
    return np.where(occurs, np.maximum(least, 0.0), 0.0).sum(axis=0), np.where(occurs, most, 0.0).sum(axis=0)


def _within(value: Floats, low: Floats, high: Floats, whole: Quantity) -> Figures:
    """Tighten each phase's bounds by the total less the others', never past the value itself."""
    tight_high = np.minimum(high, float(whole.high or 0.0) - (low.sum() - low))
    tight_low = np.maximum(low, float(whole.low or 0.0) - (high.sum() - high))
    return Figures(value=value, low=np.minimum(tight_low, value), high=np.maximum(tight_high, value))


def _modelled(domain: DomainAttribution, bounded: Figures, whole: Quantity) -> Figures:
    """Return the phases' watts times their seconds, adding up to the total, inside the bounds."""
    spent = phase_seconds(domain.segments)
    raw = sum((model.powers.power_w for model in domain.models), np.zeros(len(spent))) * spent
    spread = np.sqrt(sum((model.powers.half_width_w**2 for model in domain.models), np.zeros(len(spent))))
    value = _adding_up(raw, bounded, float(whole.value or 0.0))
    low, high = value - spread * spent, value + spread * spent
    return Figures(
        value=value,
        low=np.minimum(np.maximum(low, bounded.low), value),
        high=np.maximum(np.minimum(high, bounded.high), value),
    )


def _adding_up(raw: Floats, bounds: Figures, total: float) -> Floats:
    """Scale figures to a total, none beyond its bounds: what some must leave goes to those that have room."""
    value = np.clip(raw * (total / raw.sum() if raw.sum() > 0 else 0.0), bounds.low, bounds.high)
    missing = total - value.sum()
    room = bounds.high - value if missing > 0 else value - bounds.low
    filled: Floats = value + missing * room / room.sum() if room.sum() > 0 else value
    return filled
