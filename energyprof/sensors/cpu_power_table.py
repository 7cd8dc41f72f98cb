"""Thermal design power by CPU model, from CodeCarbon's table, read without importing CodeCarbon.

Importing it takes 0.2 s and pulls in pandas; the table is a CSV file of its distribution. A model is found as
CodeCarbon finds it: the same name, or all words of one name among the words of the other.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

__all__ = ["DEFAULT_W_PER_THREAD", "CpuPower", "cpu_power", "power_table"]

#: What CodeCarbon assumes of a CPU that it does not know (codecarbon.core.cpu.DEFAULT_POWER_PER_CORE).
DEFAULT_W_PER_THREAD: Final = 4.0
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")
_NOISE: Final = re.compile(
    r"\((?:r|tm|c)\)|@\s*[\d.]+\s*ghz|\bcpu\b|\bprocessor\b|\b\d+-core\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuPower:
    """The power that a CPU is designed for.

    Attributes:
        tdp_w: thermal design power of one socket, or None where the model is not known.
        matched: the name in the table, or None.
        table: where the figure is from, in words: ``"CodeCarbon 3.3.2"``.
    """

    tdp_w: float | None
    matched: str | None
    table: str


@lru_cache(maxsize=8)
def cpu_power(model: str | None) -> CpuPower:
    """Look a CPU model up, as /proc/cpuinfo names it."""
    table = power_table()
    name = None if model is None else _match(model)
    return CpuPower(tdp_w=None if name is None else table[name], matched=name, table=_source())


@cache
def power_table() -> Mapping[str, float]:
    """Return TDP in watts by model name; empty where CodeCarbon's table is not there."""
    spec = find_spec("codecarbon")
    if spec is None or spec.origin is None:
        return {}
    path = Path(spec.origin).parent / "data" / "hardware" / "cpu_power.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(row.get("Name"), row.get("TDP")) for row in csv.DictReader(file)]
    except OSError:
        return {}
    # some rows hold no number ("27.29.5"): a CPU of these is not known
    return {name: float(tdp) for name, tdp in rows if name and tdp and _NUMBER.fullmatch(tdp)}


def _source() -> str:
    from importlib.metadata import PackageNotFoundError, version  # 40 ms to import

    try:
        return f"CodeCarbon {version('codecarbon')}"
    except PackageNotFoundError:
        return "no table (CodeCarbon is not installed)"


@cache
def _names() -> tuple[tuple[str, frozenset[str]], ...]:
    """Return the table's names and the words of each."""
    return tuple((name, _words(name)) for name in power_table())


def _match(model: str) -> str | None:
    """Return the table's name of a model: the most specific one, or None where it is ambiguous."""
    words = _words(model)
    if not words:
        return None
    for name, known in _names():
        if known == words:
            return name
    fitting = [
        (len(known & words), name) for name, known in _names() if known and (known <= words or words <= known)
    ]
    best = max((size for size, _ in fitting), default=0)
    names = [name for size, name in fitting if size == best and best >= 2]
    agreed = {power_table()[name] for name in names}
    return names[0] if len(agreed) == 1 else None


def _words(name: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9+]+(?:-[a-z0-9+]+)*", _NOISE.sub(" ", name).lower()))
