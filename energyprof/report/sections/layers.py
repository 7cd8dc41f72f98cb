"""Energy by layer or stage: which layer's forward pass and update the joules went to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from energyprof.analysis.phases import likeliest_energies, phase_kind
from energyprof.record.model import PhaseEnergy, Report

__all__ = ["LayerLine", "layer_lines"]

_LAYER: Final = re.compile(r"(?:layer|block|stage|predictor|head|unit)s?[-_ ]?\d*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerLine:
    """One layer: its energy by kind of phase, and altogether."""

    name: str
    kinds: dict[str, float]
    energy_j: float
    seconds: float
    share: float | None


def layer_lines(report: Report) -> list[LayerLine]:
    """Add the phases up by layer, in the order of their names; empty where no two layers are marked."""
    layers: dict[str, list[PhaseEnergy]] = {}
    for phase in report.phases:
        name = next((part for part in phase.name.split("/") if _LAYER.fullmatch(part)), None)
        if name is not None:
            layers.setdefault(name, []).append(phase)
    joules = {name: quantity.value for name, quantity in likeliest_energies(report).items()}
    if len(layers) < 2 or any(joules[p.name] is None for phases in layers.values() for p in phases):
        return []
    return [_line(report, name, layers[name], joules) for name in sorted(layers, key=_natural)]


def _natural(name: str) -> tuple[str, int]:
    digits = re.sub(r"\D", "", name)
    return re.sub(r"\d", "", name), int(digits) if digits else -1


def _line(report: Report, name: str, phases: list[PhaseEnergy], joules: dict[str, float | None]) -> LayerLine:
    kinds: dict[str, float] = {}
    for phase in phases:
        kind = phase_kind(phase.name)
        kinds[kind] = kinds.get(kind, 0.0) + (joules[phase.name] or 0.0)
    energy, total = sum(kinds.values()), report.totals.energy_j.value
    return LayerLine(
        name=name,
        kinds=kinds,
        energy_j=energy,
        seconds=sum(phase.seconds for phase in phases),
        share=energy / total if total else None,
    )
