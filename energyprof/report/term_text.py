"""The figure behind a term of an explanation, in text: the same in the terminal and in pages."""

from __future__ import annotations

from typing import Final

from energyprof.report.verdicts import RENDER
from energyprof.report.words import DASH
from energyprof.units import format_count

__all__ = ["term_figure"]

_NOTHING: Final = 1e-4  # of a side's energy: a rest of that size comes from rounding


def term_figure(value: float | None, unit: str, energy_j: float) -> str:
    """Render a figure of one side.

    Args:
        value: the figure, or None where a side has none.
        unit: its unit in SI; ``samples`` and ``steps`` are counts.
        energy_j: the energy of that side, of which the figure is a part where its unit is J.
    """
    if value is None:
        return DASH
    base, _, each = unit.partition(" ")
    if base in ("samples", "steps"):
        return f"{format_count(value)} {base}"
    if unit == "J" and abs(value) < _NOTHING * energy_j:
        return "0 J"
    return f"{RENDER[base](value)}{' ' + each if each else ''}".replace("-", "−")
