"""CO2e of a run: of its energy, and beside it what the building adds and its share in making the hardware.

The three stand apart: the first is measured energy times an intensity, the others follow from figures that a
user gives. Where nobody gives them they are not guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from energyprof.analysis.findings import Findings
from energyprof.record.model import Carbon, EmbodiedCarbon, Flag, Quantity, Severity
from energyprof.units import joules_to_kwh

__all__ = ["co2e_kg", "embodied_share_kg", "missing_carbon", "with_carbon_shares"]

_YEAR_S: Final = 365.25 * 86_400.0


def co2e_kg(energy_j: Quantity, carbon: Carbon) -> float | None:
    """Return the CO2e of energy; None where energy or intensity is not known."""
    if energy_j.value is None or carbon.intensity_g_per_kwh is None:
        return None
    return joules_to_kwh(energy_j.value) * carbon.intensity_g_per_kwh / 1000.0


def with_carbon_shares(carbon: Carbon, mass_kg: float | None, duration_s: float) -> Carbon:
    """Fill in what stands beside the CO2e of the energy.

    Args:
        carbon: with what was given.
        mass_kg: CO2e of the measured energy; None where it is not known.
        duration_s: of the window.
    """
    building = None if mass_kg is None or carbon.pue is None else mass_kg * (carbon.pue - 1.0)
    making = None if carbon.embodied is None else embodied_share_kg(carbon.embodied, duration_s)
    return replace(carbon, pue_co2e_kg=building, embodied_co2e_kg=making)


def embodied_share_kg(embodied: EmbodiedCarbon, duration_s: float) -> float | None:
    """Return a run's share of what making its hardware has emitted, in kg; None without a lifetime.

    M = TE x TS x RS of the Software Carbon Intensity specification (Green Software Foundation, ISO/IEC
    21031:2024): TE all of it, TS the time reserved over the expected lifespan (years of 365.25 days), RS the
    share of the hardware that was reserved.
    """
    if embodied.lifetime_years <= 0:  # no user's: a report that somebody edited
        return None
    time_share = duration_s / (embodied.lifetime_years * _YEAR_S)
    return embodied.total_kg * time_share * embodied.reserved


def missing_carbon(findings: Findings) -> Iterator[Flag]:
    """Say why a figure that was asked for is null."""
    carbon = findings.report.carbon
    if carbon.pue is not None and carbon.pue_co2e_kg is None:
        yield Flag(
            code="missing-value",
            severity=Severity.INFO,
            message="carbon.pue_co2e_kg is not known: CO2e of the energy is not known.",
            field="carbon.pue_co2e_kg",
        )
