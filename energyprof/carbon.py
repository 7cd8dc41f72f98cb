"""Measured kWh to CO2e, by CodeCarbon's data for a named country or a given intensity; offline, no guess.

CodeCarbon's tables are read through its own :class:`codecarbon.core.emissions.Emissions`; nothing of its
tracker, and nothing online, takes part. Where nobody names a place the world average is used and said to be
an assumption.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from energyprof.errors import UnknownName, UsageError
from energyprof.record.model import Carbon

__all__ = ["carbon_intensity"]


def carbon_intensity(country: str | None = None, intensity_g_per_kwh: float | None = None) -> Carbon:
    """Say what a kWh costs the climate.

    Args:
        country: ISO 3166 alpha-3, such as ``FRA``; None for no place named.
        intensity_g_per_kwh: a figure of the caller's own, in g CO2e a kWh; it goes before the country's.

    Raises:
        UnknownName: CodeCarbon has no data for the country.
        UsageError: the intensity is negative or not finite.
    """
    if intensity_g_per_kwh is not None:
        if not 0 <= intensity_g_per_kwh < float("inf"):
            raise UsageError(f"carbon intensity {intensity_g_per_kwh} g/kWh: give a number of at least 0")
        return Carbon(intensity_g_per_kwh=intensity_g_per_kwh, source="given by the user", country=country)
    release = _release()
    if country is None:
        return Carbon(
            intensity_g_per_kwh=float(_table("carbon_intensity_per_source.json")["world_average"]),
            source=f"{release}, world average",
            assumed=True,
        )
    code = country.upper()
    mix = _table("global_energy_mix.json")
    if code not in mix:
        raise UnknownName("country code (ISO 3166 alpha-3)", country, mix)
    return Carbon(
        intensity_g_per_kwh=_country_intensity(code, mix[code]["country_name"]),
        source=f"{release}, {mix[code]['country_name']}",
        country=code,
        year=mix[code].get("year"),
    )


def _country_intensity(code: str, name: str) -> float:
    """Return g CO2e a kWh, as CodeCarbon's own calculation gives it for one kWh used in that country."""
    from codecarbon.core.emissions import Emissions
    from codecarbon.core.units import Energy
    from codecarbon.external.geography import GeoMetadata
    from codecarbon.input import DataSource

    place = GeoMetadata(country_iso_code=code, country_name=name)
    source: Any = DataSource  # its constructor has no types
    kilograms = Emissions(source()).get_country_emissions(Energy.from_energy(kWh=1.0), place)
    return float(kilograms) * 1000.0


@cache
def _release() -> str:
    return f"CodeCarbon {version('codecarbon')}"


@cache
def _table(name: str) -> dict[str, Any]:
    """Read one of CodeCarbon's JSON tables without importing its tracker."""
    path = files("codecarbon").joinpath("data", "private_infra", name)
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return table
