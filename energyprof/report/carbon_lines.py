"""What stands beside a run's CO2e, in words: the building's share, and that of making the hardware."""

from __future__ import annotations

from dataclasses import dataclass

from energyprof.record.model import Carbon, Report
from energyprof.units import format_duration, format_mass

__all__ = ["CarbonShare", "carbon_sentences", "carbon_shares"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonShare:
    """A mass beside the CO2e of the energy, never in it."""

    title: str
    mass_kg: float
    note: str


def carbon_shares(carbon: Carbon) -> list[CarbonShare]:
    """Return what was given and could be worked out."""
    shares = []
    if carbon.pue is not None and carbon.pue_co2e_kg is not None:
        shares.append(
            CarbonShare(
                title="building",
                mass_kg=carbon.pue_co2e_kg,
                note=f"PUE {carbon.pue:g}, as given",
            )
        )
    if carbon.embodied is not None and carbon.embodied_co2e_kg is not None:
        shares.append(
            CarbonShare(
                title="making",
                mass_kg=carbon.embodied_co2e_kg,
                note=_hardware(carbon),
            )
        )
    return shares


def carbon_sentences(report: Report) -> list[str]:
    """Say how the CO2e and what stands beside it came about; nothing where nothing stands beside."""
    carbon, totals = report.carbon, report.totals
    text = []
    if carbon.pue is not None and carbon.pue_co2e_kg is not None:
        text.append(
            f"The building, for cooling and power distribution: {format_mass(carbon.pue_co2e_kg)}, "
            f"the CO₂e of the energy × (PUE − 1), with a PUE of {carbon.pue:g} as given."
        )
    if carbon.embodied is not None and carbon.embodied_co2e_kg is not None:
        text.append(
            f"Making the hardware: {format_mass(carbon.embodied_co2e_kg)}, the run's share of "
            f"{_hardware(carbon)}, for {format_duration(totals.duration_s)} (M = TE × TS × RS of the "
            "Software Carbon Intensity specification, ISO/IEC 21031:2024)."
        )
    if not text:
        return []
    if totals.co2e_kg is not None:
        text.insert(0, f"The measured energy: {format_mass(totals.co2e_kg)}. This alone is the run's CO₂e.")
    return text


def _hardware(carbon: Carbon) -> str:
    embodied = carbon.embodied
    if embodied is None:
        return ""
    years = f"{embodied.lifetime_years:g} year{'' if embodied.lifetime_years == 1 else 's'}"
    share = "" if embodied.reserved == 1 else f", {100 * embodied.reserved:g} % of it reserved"
    return f"{embodied.total_kg:g} kg over {years}{share}"
