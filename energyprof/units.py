"""Units: SI inside, rendered for people at the edge, parsed from what people write.

Nothing else in the package multiplies by 3600 or divides by 1024.
"""

from __future__ import annotations

import math
import re
from typing import Final

from energyprof.errors import UsageError

__all__ = [
    "J_PER_KWH",
    "format_bytes",
    "format_count",
    "format_duration",
    "format_energy",
    "format_mass",
    "format_power",
    "format_quantity",
    "is_bare_share",
    "joules_to_kwh",
    "parse_quantity",
]

J_PER_KWH: Final = 3.6e6

_PREFIXES: Final = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))

#: unit -> (dimension, factor to the canonical unit of that dimension)
_UNITS: Final[dict[str, tuple[str, float]]] = {
    "nJ": ("J", 1e-9),
    "uJ": ("J", 1e-6),
    "µJ": ("J", 1e-6),
    "mJ": ("J", 1e-3),
    "J": ("J", 1.0),
    "kJ": ("J", 1e3),
    "MJ": ("J", 1e6),
    "Wh": ("J", 3600.0),
    "kWh": ("J", J_PER_KWH),
    "J/sample": ("J/sample", 1.0),
    "mJ/sample": ("J/sample", 1e-3),
    "W": ("W", 1.0),
    "kW": ("W", 1e3),
    "ns": ("s", 1e-9),
    "us": ("s", 1e-6),
    "µs": ("s", 1e-6),
    "ms": ("s", 1e-3),
    "s": ("s", 1.0),
    "min": ("s", 60.0),
    "h": ("s", 3600.0),
    "B": ("B", 1.0),
    "kB": ("B", 1e3),
    "MB": ("B", 1e6),
    "GB": ("B", 1e9),
    "KiB": ("B", 1024.0),
    "MiB": ("B", 1024.0**2),
    "GiB": ("B", 1024.0**3),
    "mg": ("kg", 1e-6),
    "g": ("kg", 1e-3),
    "kg": ("kg", 1.0),
    "%": ("fraction", 0.01),
    "pp": ("pp", 1.0),
    "FLOP": ("FLOP", 1.0),
    "GFLOP": ("FLOP", 1e9),
}
#: dimension -> what a person would write
_EXAMPLES: Final = {
    "J": "1.8 kJ", "J/sample": "3 mJ/sample", "W": "250 W", "s": "90 s", "B": "512 MiB", "kg": "5 g",
    "fraction": "5%", "pp": "0.5 pp", "FLOP": "3 GFLOP",
}  # fmt: skip
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S*)\s*")


def joules_to_kwh(energy_j: float) -> float:
    """Return kWh for joules."""
    return energy_j / J_PER_KWH


def parse_quantity(text: str, dimension: str) -> float:
    """Read a number with a unit into the canonical unit of a dimension.

    Args:
        text: what a person wrote: ``"1.8 kJ"``, ``"512 MiB"``, ``"5%"``; a bare number is canonical.
        dimension: ``J``, ``J/sample``, ``W``, ``s``, ``B``, ``kg``, ``fraction``, ``pp`` or ``FLOP``.

    Raises:
        UsageError: if it is no finite number, the unit is unknown or of another dimension.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise UsageError(f"'{text}' is not a number with a unit: write for example '{_EXAMPLES[dimension]}'")
    value, unit = float(match[1]), match[2]
    if not math.isfinite(value):
        raise UsageError(f"'{text}' is not finite")
    if not unit:
        return value
    if unit not in _UNITS:
        raise UsageError(f"unknown unit '{unit}' in '{text}': {_fitting(dimension)}")
    kind, factor = _UNITS[unit]
    if kind != dimension:
        seen, wanted = ("%" if name == "fraction" else name for name in (kind, dimension))
        raise UsageError(f"'{text}' is in {seen}, not in {wanted}: {_fitting(dimension)}")
    return value * factor


def is_bare_share(text: str, share: float) -> bool:
    """Tell whether a share was written as a bare number from 1 on: 5 would be 500 %, where 5 % is meant."""
    return share >= 1 and not text.rstrip().endswith("%")


def _fitting(dimension: str) -> str:
    units = [name for name, (kind, _) in _UNITS.items() if kind == dimension]
    return f"use {'one of ' if len(units) > 1 else ''}{', '.join(units)}"


def format_quantity(value: float, unit: str, digits: int = 3) -> str:
    """Render a value with an SI prefix: ``1834.2, "J"`` -> ``1.83 kJ``."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}"
    size = abs(value) * (1 + 0.5 * 10.0**-digits)  # 999.96 is 1.00 k, not 1000
    scale, prefix = next((p for p in _PREFIXES if size >= p[0]), _PREFIXES[-1])
    return f"{_significant(value / scale, digits)} {prefix}{unit}"


def format_energy(energy_j: float) -> str:
    """Render joules: ``1.83 kJ``."""
    return format_quantity(energy_j, "J")


def format_power(power_w: float) -> str:
    """Render watts: ``61.2 W``."""
    return format_quantity(power_w, "W")


def format_duration(duration_s: float) -> str:
    """Render seconds: ``12.3 ms``, ``4.20 s``, ``3 min 07 s``, ``2 h 05 min``, ``10 d 3 h``."""
    if abs(duration_s) < 60:
        return format_quantity(duration_s, "s")
    whole = round(duration_s)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def format_bytes(size_bytes: float) -> str:
    """Render bytes in binary units: ``38.4 MiB``."""
    for factor, unit in ((1024.0**4, "TiB"), (1024.0**3, "GiB"), (1024.0**2, "MiB"), (1024.0, "KiB")):
        if abs(size_bytes) >= factor:
            return f"{_significant(size_bytes / factor, 3)} {unit}"
    return f"{size_bytes:.0f} B"


def format_mass(mass_kg: float) -> str:
    """Render kilograms (of CO2e) as grams with a prefix: ``12.3 mg``, or kg from one kilogram on."""
    return f"{_significant(mass_kg, 3)} kg" if abs(mass_kg) >= 1 else format_quantity(mass_kg * 1e3, "g")


def format_count(count: float) -> str:
    """Render a count, or another plain number such as a loss: ``1,797``, ``14.3 M``, ``0.263``."""
    if 0 < abs(count) < 1:
        return f"{count:.3g}"
    if abs(count) < 100_000 and float(count).is_integer():
        return f"{int(count):,}"
    return format_quantity(count, "").rstrip()


def _significant(value: float, digits: int) -> str:
    """Render with that many significant digits and no exponent, for values of at least 1e-3."""
    if not value:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")
    return f"{rounded:.{max(0, digits - 1 - math.floor(math.log10(abs(rounded))))}f}"
