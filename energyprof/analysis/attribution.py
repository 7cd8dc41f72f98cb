"""Attribution: energies of steps, phases and any windows, bounded and modelled, by domain and in total."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Final

import numpy as np

from energyprof.analysis.arrays import Floats
from energyprof.analysis.domains import energy_curves, worst
from energyprof.analysis.energy_curve import EnergyCurve, Figures
from energyprof.analysis.modelled import ModelledEnergy, modelled_energy, modelled_windows, raw_energy
from energyprof.analysis.part_time import filled_in
from energyprof.analysis.sensor_regression import sensor_phase_powers
from energyprof.analysis.window_ends import with_split_ends
from energyprof.analysis.windows import Windows, domain_segments, step_windows, window_segments
from energyprof.record.model import Provenance, Quantity, SensorInfo
from energyprof.record.trace import Segments, Trace

__all__ = [
    "Attribution",
    "DomainAttribution",
    "attribute",
    "quantity",
    "total_quantity",
    "window_figures",
    "window_quantity",
]

CHUNK: Final = 1 << 20  # windows at a time: keeps the working memory of long runs small


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainAttribution:
    """What is known of one domain along the run.

    Attributes:
        curve: its cumulative energy.
        segments: the window's segments, as this domain passed them.
        steps: the steps' windows, as this domain passed them.
        models: the modelled energy by each of its sensors; empty where no regression was possible.
    """

    curve: EnergyCurve
    segments: Segments
    steps: Windows
    models: tuple[ModelledEnergy, ...]

    def bounded_steps(self) -> Figures:
        """Return the bounded energy of each step."""
        return window_figures(self.curve, self.steps)

    def modelled_steps(self, bounded: Figures) -> Figures:
        """Return the modelled energy of each step with its 95 % interval, which keeps inside the bounds.

        Where there is no model it is the bounded figure.
        """
        if not self.models:
            return bounded
        found = modelled_windows(self.models, self.steps)
        return Figures(
            value=found.value,
            low=np.minimum(np.maximum(found.low, bounded.low), found.value),
            high=np.maximum(np.minimum(found.high, bounded.high), found.value),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """A run's energy, attributed.

    Attributes:
        segments: the segments of the window, by the host's clock.
        steps: the steps' windows, by the host's clock.
        domains: by name; None where nothing usable was read of a domain.
    """

    segments: Segments
    steps: Windows
    domains: Mapping[str, DomainAttribution | None]

    @property
    def known(self) -> dict[str, DomainAttribution]:
        """Return the domains whose energy is known."""
        return {name: domain for name, domain in self.domains.items() if domain is not None}

    @property
    def curves(self) -> dict[str, EnergyCurve | None]:
        """Return the curve of each domain."""
        return {name: None if d is None else d.curve for name, d in self.domains.items()}


def attribute(trace: Trace, sensors: Sequence[SensorInfo]) -> Attribution:
    """Work out the energy of a run by domain.

    Args:
        trace: what was recorded.
        sensors: what its channels mean.
    """
    segments = window_segments(trace)
    return Attribution(
        segments=segments,
        steps=step_windows(segments),
        domains={
            name: None if curve is None else _domain(curve, domain_segments(segments, name))
            for name, curve in energy_curves(trace, sensors).items()
        },
    )


def _domain(curve: EnergyCurve, segments: Segments) -> DomainAttribution:
    parts, models = [], []
    for part in curve.parts:
        powers = sensor_phase_powers(part, segments)
        if powers is None:
            parts.append(part)
            continue
        raw = raw_energy(powers, segments)
        parts.append(with_split_ends(part, raw) if part.tells_all else filled_in(part, raw))
        models.append(modelled_energy(parts[-1], powers, raw))
    return DomainAttribution(
        curve=replace(curve, parts=tuple(parts)),
        segments=segments,
        steps=step_windows(segments),
        models=tuple(models) if len(models) == len(parts) else (),
    )


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
    figures = curve.energy_between(np.array(window_ns[:1], np.int64), np.array(window_ns[1:], np.int64))
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


def total_figures(figures: Sequence[Figures]) -> Figures:
    """Add up figures of one shape, at least one."""
    return reduce(add, figures)


def empty_figures(count: int) -> Figures:
    """Return figures of which nothing is known: NaN."""
    nothing: Floats = np.full(count, np.nan)
    return Figures(value=nothing, low=nothing, high=nothing)
