"""Phases of a report: what kind of work each is, and the likeliest figure of its energy."""

from __future__ import annotations

from energyprof.record.model import Quantity, Report
from energyprof.record.trace import UNATTRIBUTED

__all__ = ["likeliest_energies", "phase_kind", "phases_are_modelled"]


def phase_kind(path: str) -> str:
    """Return what kind of work a phase is: the last part of its path, the same in every layer and stage."""
    if path == UNATTRIBUTED:
        return "in no phase"
    return path.rpartition("/")[2].replace("-", " ")


def phases_are_modelled(report: Report) -> bool:
    """Tell whether the regression resolved every phase; a mixture with bounded figures would not add up."""
    return bool(report.phases) and all(p.modelled_energy_j.value is not None for p in report.phases)


def likeliest_energies(report: Report) -> dict[str, Quantity]:
    """Return phase -> energy: modelled where the regression resolved every phase, else bounded.

    Both add up to the total. The bounded figure of a phase shorter than the sensor's refresh is shared out by
    time and so says little; the modelled one is what the regression found, with its 95 % interval.
    """
    modelled = phases_are_modelled(report)
    return {p.name: p.modelled_energy_j if modelled else p.energy_j for p in report.phases}
