"""CO2e in the record: of the measured energy, of the building around it, of making the hardware."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Carbon", "EmbodiedCarbon"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbodiedCarbon:
    """What making the hardware has emitted, and how it is shared out over its life.

    Attributes:
        total_kg: CO2e of making all of it, as its maker or a life-cycle assessment tells (TE).
        lifetime_years: for how long it is expected to serve.
        reserved: the share of it that the run had for itself, above 0 to 1 (RS).
    """

    total_kg: float
    lifetime_years: float
    reserved: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Carbon:
    """How energy was turned into CO2e, and what stands beside it: in no total.

    Attributes:
        source: ``CodeCarbon 3.3.2, France``.
        country: ISO 3166 alpha-3, or None for the world average or a given figure.
        assumed: True where nobody named a place.
        pue: power usage effectiveness of the building as it was given: all its energy over the computers'.
        pue_co2e_kg: what its cooling and power distribution add to the run: co2e x (pue - 1).
        embodied: what making the hardware has emitted, as it was given.
        embodied_co2e_kg: the run's share of that.
    """

    intensity_g_per_kwh: float | None = None
    source: str | None = None
    country: str | None = None
    year: int | None = None
    assumed: bool = False
    pue: float | None = None
    pue_co2e_kg: float | None = None
    embodied: EmbodiedCarbon | None = None
    embodied_co2e_kg: float | None = None
