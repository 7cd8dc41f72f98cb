"""Measured kWh to CO2e, by CodeCarbon's data for a named country or a given intensity; offline, no guess.

What stands beside it, the building's share and that of making the hardware, is what a user gives, or nothing.

CodeCarbon's tables are read through its own :class:`codecarbon.core.emissions.Emissions`; nothing of its
tracker, and nothing online, takes part. Where nobody names a place the world average is used and said to be
an assumption.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from energyprof.errors import UnknownName, UsageError
from energyprof.record.model import Carbon, EmbodiedCarbon

__all__ = ["carbon_beside", "carbon_intensity", "embodied_carbon", "release_name"]


def carbon_intensity(country: str | None = None, intensity_g_per_kwh: float | None = None) -> Carbon:
    """Say what a kWh costs the climate.

    Args:
        country: ISO 3166 alpha-3 or alpha-2, such as ``FRA`` or ``FR``; None for no place named.
        intensity_g_per_kwh: a figure of the caller's own, in g CO2e a kWh, instead of a country's.

    Raises:
        UnknownName: CodeCarbon has no data for the country.
        UsageError: the intensity is negative or not finite, or there is a country beside it.
    """
    if intensity_g_per_kwh is not None:
        if country is not None:
            raise UsageError(
                f"country {country} and an intensity of {intensity_g_per_kwh:g} g/kWh are two figures for "
                "one thing: give the country, or the intensity alone"
            )
        if not 0 <= intensity_g_per_kwh < float("inf"):
            raise UsageError(f"carbon intensity {intensity_g_per_kwh} g/kWh: give a number of at least 0")
        return Carbon(intensity_g_per_kwh=intensity_g_per_kwh, source="given by the user")
    release = release_name()
    if country is None:
        return Carbon(
            intensity_g_per_kwh=float(_table("carbon_intensity_per_source.json")["world_average"]),
            source=f"{release}, world average",
            assumed=True,
        )
    mix = _table("global_energy_mix.json")
    code = _alpha_3(country)
    if code not in mix:
        raise _unknown_country(country, {known: entry["country_name"] for known, entry in mix.items()})
    return Carbon(
        intensity_g_per_kwh=_country_intensity(code, mix[code]["country_name"]),
        source=f"{release}, {mix[code]['country_name']}",
        country=code,
        year=mix[code].get("year"),
    )


def carbon_beside(carbon: Carbon, pue: float | None, embodied: EmbodiedCarbon | None) -> Carbon:
    """Add what the building and the making of the hardware are to be reckoned by.

    Args:
        carbon: of the measured energy.
        pue: power usage effectiveness of the building, from 1 on; None: not reckoned.
        embodied: what making the hardware has emitted; None: not reckoned.

    Raises:
        UsageError: a figure that cannot be meant.
    """
    if pue is not None and not 1 <= pue < math.inf:
        raise UsageError(
            f"PUE {pue:g}: give a number of at least 1, all energy of the building over the computers'"
        )
    if embodied is not None:
        _require_meant(embodied)
    return replace(carbon, pue=pue, embodied=embodied)


def embodied_carbon(
    total_kg: float | None, lifetime_years: float | None, reserved: float | None
) -> EmbodiedCarbon | None:
    """Put together what was given of the making of the hardware; None where nothing was.

    Raises:
        UsageError: kg without years, years without kg, or a share of neither.
    """
    if total_kg is None and lifetime_years is None and reserved is None:
        return None
    if total_kg is None or lifetime_years is None:
        missing = [
            name
            for name, value in (("--embodied-kg", total_kg), ("--lifetime-years", lifetime_years))
            if value is None
        ]
        raise UsageError(
            f"embodied carbon needs both its kg and its lifetime in years: add {' and '.join(missing)}"
        )
    share = 1.0 if reserved is None else reserved
    return EmbodiedCarbon(total_kg=total_kg, lifetime_years=lifetime_years, reserved=share)


def _require_meant(embodied: EmbodiedCarbon) -> None:
    if not 0 <= embodied.total_kg < math.inf:
        raise UsageError(f"embodied carbon {embodied.total_kg:g} kg: give a number of at least 0")
    if not 0 < embodied.lifetime_years < math.inf:
        raise UsageError(f"a lifetime of {embodied.lifetime_years:g} years: give a number above 0")
    if not 0 < embodied.reserved <= 1:
        raise UsageError(f"{embodied.reserved:g} of the hardware reserved: give a share above 0, at most 1")


def _alpha_3(country: str) -> str:
    """Return the code in capitals, that of three letters for one of two; ISO 3166-1 maps them one to one."""
    code = country.upper()
    if len(code) != 2:
        return code
    import pycountry  # what CodeCarbon itself reads ISO 3166 from

    found = pycountry.countries.get(alpha_2=code)
    return code if found is None else found.alpha_3


def _unknown_country(country: str, names: Mapping[str, str]) -> UnknownName:
    """Name the countries that begin alike: the code that is nearest by its letters is another country's."""
    first = country[:1].upper()
    alike = [f"{code} ({name})" for code, name in names.items() if first in (code[0], name[0])]
    return UnknownName("country code (ISO 3166: FRA or FR)", country, alike if first else names)


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
def release_name() -> str:
    """Return ``CodeCarbon`` and the release that is installed."""
    return f"CodeCarbon {version('codecarbon')}"


@cache
def _table(name: str) -> dict[str, Any]:
    """Read one of CodeCarbon's JSON tables without importing its tracker."""
    path = files("codecarbon").joinpath("data", "private_infra", name)
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return table
