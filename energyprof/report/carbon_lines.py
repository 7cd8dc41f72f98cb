"""What stands beside a run's CO2e, in words: the building's share, and that of making the hardware."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from energyprof.record.model import EmbodiedCarbon, Report
from energyprof.units import format_duration, format_mass

__all__ = ["CarbonShare", "carbon_sentences", "carbon_shares", "intensity_text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonShare:
    """A mass beside the CO2e of the energy, never in it.

    Attributes:
        title: one word.
        mass_kg: the mass.
        note: what it was worked out from.
        sentence: all of it, with how it came about.
    """

    title: str
    mass_kg: float
    note: str
    sentence: str


def carbon_shares(report: Report) -> Iterator[CarbonShare]:
    """Yield what was given and could be worked out."""
    carbon = report.carbon
    if carbon.pue is not None and carbon.pue_co2e_kg is not None:
        yield CarbonShare(
            title="building",
            mass_kg=carbon.pue_co2e_kg,
            note=f"PUE {carbon.pue:g}, as given",
            sentence=f"The building, for cooling and power distribution: {format_mass(carbon.pue_co2e_kg)}, "
            f"the CO₂e of the energy × (PUE − 1), with a PUE of {carbon.pue:g} as given.",
        )
    if carbon.embodied is not None and carbon.embodied_co2e_kg is not None:
        hardware = _hardware(carbon.embodied)
        yield CarbonShare(
            title="making",
            mass_kg=carbon.embodied_co2e_kg,
            note=hardware,
            sentence=f"Making the hardware: {format_mass(carbon.embodied_co2e_kg)}, the run's share of "
            f"{hardware}, for {format_duration(report.totals.duration_s)} (M = TE × TS × RS of the "
            "Software Carbon Intensity specification, ISO/IEC 21031:2024).",
        )


def carbon_sentences(report: Report) -> list[str]:
    """Say how the CO2e and what stands beside it came about; nothing where nothing stands beside."""
    text = [share.sentence for share in carbon_shares(report)]
    if text and report.totals.co2e_kg is not None:
        own = format_mass(report.totals.co2e_kg)
        text.insert(0, f"The measured energy: {own}. This alone is the run's CO₂e.")
    return text


def intensity_text(intensity_g_per_kwh: float) -> str:
    """Render a carbon intensity: ``at 480 g/kWh``; one below 10 keeps two digits, so that it is not 0."""
    shown = f"{intensity_g_per_kwh:.2g}" if intensity_g_per_kwh < 10 else f"{intensity_g_per_kwh:.0f}"
    return f"at {shown} g/kWh"


def _hardware(embodied: EmbodiedCarbon) -> str:
    years = f"{embodied.lifetime_years:g} year{'' if embodied.lifetime_years == 1 else 's'}"
    share = "" if embodied.reserved == 1 else f", {100 * embodied.reserved:g} % of it reserved"
    return f"{embodied.total_kg:g} kg over {years}{share}"
