"""Figures and provenance in plain words, the same in the terminal, in Markdown and in pages."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from energyprof.record.model import Flag, Provenance, Quantity, Report, RunStatus
from energyprof.units import format_count, format_energy, joules_to_kwh

__all__ = [
    "DASH",
    "PROVENANCE_GLYPH",
    "PROVENANCE_MEANING",
    "STATUS_MEANING",
    "SUM_TOLERANCE",
    "between_text",
    "counted",
    "domain_word",
    "estimated_text",
    "figure_text",
    "flag_for",
    "half_width",
    "kwh_text",
    "percent",
    "plain",
    "points_text",
    "printable",
    "quantity_text",
    "range_text",
    "reason_for",
    "setting_text",
    "worst_source",
]

DASH: Final = "–"

PROVENANCE_GLYPH: Final[Mapping[Provenance, str]] = {
    Provenance.COUNTER: "●",
    Provenance.SAMPLED: "◐",
    Provenance.ESTIMATED: "○",
    Provenance.MISSING: "×",
}

PROVENANCE_MEANING: Final[Mapping[Provenance, str]] = {
    Provenance.COUNTER: "read from a hardware energy counter; the bounds are guaranteed",
    Provenance.SAMPLED: "power readings, integrated over time; the bounds are guaranteed",
    Provenance.ESTIMATED: "a model (utilisation times rated power), no measurement; bounds are the model's",
    Provenance.MISSING: "not known; it is in no total",
}

STATUS_MEANING: Final[Mapping[RunStatus, str]] = {
    RunStatus.COMPLETED: "ran to its end",
    RunStatus.INTERRUPTED: "was stopped early by a signal; every figure covers what ran",
    RunStatus.FAILED: "ended by an error; every figure covers what ran before it",
    RunStatus.PARTIAL: "is still going on or was killed; every figure is from what was on disk",
}

SUM_TOLERANCE: Final = 0.005  # a table of rounded joules that misses its total by more does not add up

_NOTHING: Final = 1e-4  # of the larger bound
_ALL: Final = 0.999  # as a share: told as all of it
_NONE: Final = 0.0005  # as a share: told as nothing
_JOINERS: Final = "\u200c\u200d"  # hold words of some scripts, and emoji, together
_RANK: Final = (Provenance.COUNTER, Provenance.SAMPLED, Provenance.ESTIMATED, Provenance.MISSING)


def quantity_text(quantity: Quantity, render: Callable[[float], str] = format_energy) -> str:
    """Render the value alone, or a dash where it is missing."""
    return DASH if quantity.value is None else render(quantity.value)


def figure_text(quantity: Quantity, render: Callable[[float], str] = format_energy) -> str:
    """Render the value with a proper minus; one that is nothing beside its bounds is 0, without digits."""
    if quantity.value is None:
        return DASH
    widest = max(abs(quantity.low or 0.0), abs(quantity.high or 0.0))
    return render(0.0 if abs(quantity.value) < _NOTHING * widest else quantity.value).replace("-", "−")


def range_text(quantity: Quantity, render: Callable[[float], str] = format_energy) -> str:
    """Render the bounds briefly: ``1.82 to 1.85 kJ``; empty where there are none or rounding hides them."""
    return between_text(quantity.low, quantity.high, render)


def between_text(
    low_end: float | None, high_end: float | None, render: Callable[[float], str] = format_energy
) -> str:
    """Render two ends with their unit once; empty where one is missing or they read the same."""
    if low_end is None or high_end is None:
        return ""
    low, high = (render(end).replace("-", "−") for end in (low_end, high_end))
    if low == high:
        return ""
    same_unit = low.rpartition(" ")[2] == high.rpartition(" ")[2] or not low_end
    return f"{low.rpartition(' ')[0] if same_unit else low} to {high}"


def half_width(quantity: Quantity) -> float | None:
    """Return half the width of the bounds as a fraction of the value, or None."""
    if not quantity.value or quantity.low is None or quantity.high is None:
        return None
    return (quantity.high - quantity.low) / 2 / abs(quantity.value)


def kwh_text(energy_j: float) -> str:
    """Render joules in watt-hours: ``0.51 Wh``, ``1.20 kWh``."""
    from energyprof.units import format_quantity

    return format_quantity(joules_to_kwh(energy_j) * 1e3, "Wh")


def percent(fraction: float | None, digits: int = 1) -> str:
    """Render a fraction: ``97.2 %``; a dash where it is missing or not finite."""
    if fraction is None or not math.isfinite(fraction):
        return DASH
    return f"{100 * fraction:.{digits}f} %"


def points_text(points: float) -> str:
    """Render percentage points with their sign: ``+12.3``, ``−4.0``; ``0.0`` has none."""
    text = f"{abs(points):.1f}"
    return text if float(text) == 0 else f"{'+' if points > 0 else '−'}{text}"


def plain(value: float | None, digits: int = 4) -> str:
    """Render a bare number to so many significant digits; a dash where it is missing or not finite."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:.{digits}g}"


def worst_source(quantities: list[Quantity]) -> Provenance:
    """Return the provenance that a sum of these carries: the worst of its known parts."""
    known = [q.source for q in quantities if q.value is not None]
    return max(known, key=_RANK.index) if known else Provenance.MISSING


def estimated_text(reports: Sequence[Report]) -> str:
    """Say how many of the joules of some runs were not measured: a sentence, or nothing."""
    estimated, filled = max(map(_estimated_share, reports)), max(map(_filled_share, reports))
    if estimated > _ALL:
        return "The joules are a model's estimate, not a measurement."
    up_to = "up to " if len(reports) > 1 else ""
    parts = [f"{up_to}{percent(estimated)} are a model's estimate"] if estimated else []
    if filled > _NONE:
        parts.append(f"{up_to}{percent(filled)} were filled in where a sensor could not be read")
    return f"Of the joules {' and '.join(parts)}; the rest was measured." if parts else ""


def _estimated_share(report: Report) -> float:
    total, parts = report.totals.energy_j, report.totals.energy_by_domain_j.values()
    if total.source is not Provenance.ESTIMATED:
        return 0.0
    known = [part.value or 0.0 for part in parts if part.source is not Provenance.ESTIMATED]
    return 1 - sum(known) / total.value if total.value else 1.0


def _filled_share(report: Report) -> float:
    total, filled = report.totals.energy_j.value, report.totals.filled_energy_j
    return filled / total if total and filled else 0.0


def domain_word(domain: str) -> str:
    """Name an energy domain for people: ``gpu:0`` -> ``GPU 0``."""
    kind, _, number = printable(domain, 60).partition(":")
    known = {"gpu": "GPU", "cpu": "CPU", "dram": "DRAM", "host": "Host"}
    return f"{known.get(kind, kind)} {number}".strip()


def counted(count: float, noun: str) -> str:
    """Render a count with its noun: ``1 step``, ``1,797 steps``."""
    return f"{format_count(count)} {noun if count == 1 else noun + 's'}"


def reason_for(report: Report, field: str, otherwise: str) -> str:
    """Say why a field is missing, without naming the field: what its flag says after "is not known:"."""
    flag = flag_for(report, field)
    if flag is None:
        return otherwise
    return flag.message.rpartition("is not known: ")[2].rstrip(".")


def flag_for(report: Report, field: str) -> Flag | None:
    """Return the flag that says why a field is missing, or None."""
    return next((flag for flag in report.flags if flag.field == field), None)


def printable(text: str, longest: int = 200) -> str:
    """Make a text safe to show on one line: no control or direction characters, cut if it is long."""
    kept = "".join(c if c.isprintable() or c in _JOINERS else " " for c in text[: 2 * longest])
    return kept if len(kept) <= longest else f"{kept[: longest - 1]}…"


def setting_text(value: Any) -> str:
    """Render a configuration value on one line."""
    if isinstance(value, float):
        return plain(value, 6)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {setting_text(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(setting_text(item) for item in value) or "none"
    return "none" if value is None else str(value)
