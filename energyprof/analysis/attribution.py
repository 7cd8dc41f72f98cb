"""Attribution: energies of steps, phases and any windows, bounded and modelled, by domain and in total."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

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

CHUNK: Final = 1 << 17  # windows at a time: they stay in the processor's cache


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

    def step_figures(self, rows: slice) -> tuple[Figures, Figures]:
        """Return the energy of some steps: bounded, and modelled with its 95 % interval inside the bounds.

        Where there is no model the second is the first.
        """
        steps = self.steps.part(rows)
        bounded = window_figures(self.curve, steps)
        if not self.models:
            return bounded, bounded
        found = modelled_windows(self.models, steps)
        low = np.minimum(np.maximum(found.low, bounded.low), found.value)
        high = np.maximum(np.minimum(found.high, bounded.high), found.value)
        return bounded, Figures(value=found.value, low=low, high=high)


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
    steps = step_windows(segments)
    return Attribution(
        segments=segments,
        steps=steps,
        domains={
            name: None if curve is None else _domain(curve, segments, steps)
            for name, curve in energy_curves(trace, sensors).items()
        },
    )


def _domain(curve: EnergyCurve, host: Segments, steps: Windows) -> DomainAttribution:
    segments = domain_segments(host, curve.domain)
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
        steps=steps if segments is host else step_windows(segments),
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
        start_ns, end_ns = windows.start_ns[part], windows.end_ns[part]
        if len(start_ns) > 1 and np.array_equal(start_ns[1:], end_ns[:-1]):
            figures = curve.energy_of_intervals(np.append(start_ns, end_ns[-1]))
        else:
            figures = curve.energy_between(start_ns, end_ns)
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
