"""What a reader must know of figures under another stopping rule, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from energyprof.record.model import Quantity, Report, RunStatus
from energyprof.units import format_duration, format_energy

if TYPE_CHECKING:
    from energyprof.analysis.restopping import Repeated, Restopped, StageStop

__all__ = ["notes_of_parts", "notes_of_stages"]


def notes_of_stages(stops: Sequence[StageStop]) -> list[str]:
    """Return what follows from where the rule stops the stages."""
    notes = []
    going_on = [stop.stage for stop in stops if stop.exhausted]
    if going_on:
        notes.append(
            f"The rule would have gone on beyond what was recorded in {', '.join(going_on)}: energy and time "
            "are at least these."
        )
    cut = [stop for stop in stops[:-1] if stop.kept < stop.ran]
    if cut:
        later = stops[-1].stage
        notes.append(
            f"Stages after {cut[0].stage}, up to {later}, ran on layers trained longer than this rule would "
            "have: their figures are not exactly what it would give."
        )
    if any(stop.kept < stop.ran for stop in stops):
        notes.append(
            "Test accuracy under this rule is not known: it was measured once, at the end of the run."
        )
    return notes


def notes_of_parts(parts: Sequence[Report], found: Restopped, repeated: Repeated) -> list[str]:
    """Return what follows from a training's having been done in parts.

    Args:
        parts: their reports, oldest first.
        found: the whole under the rule.
        repeated: what was spent twice.
    """
    notes = [
        f"Trained in {len(parts)} parts ({', '.join(found.parts)}), joined: each epoch counts once, and what "
        "all parts spent is counted.",
        _twice(repeated),
    ]
    killed = [part.run.id for part in parts[:-1] if part.run.status is RunStatus.PARTIAL]
    if killed:
        notes.append(
            f"{', '.join(killed)} was killed: what it spent after the end of its record, a second at most, "
            "is in no figure."
        )
    if found.epochs < sum(stage.ran for stage in found.stages):
        notes.append("To begin again after a break takes energy too, and no rule leaves it out here.")
    return notes


def _twice(repeated: Repeated) -> str:
    """Say what was spent on work that was done again."""
    count = repeated.epochs
    epochs = "1 epoch that was" if count == 1 else f"{count} epochs that were"
    whole = f"{_spent(repeated.energy_j, repeated.duration_s)} into {epochs} done twice"
    cut = f"{_spent(repeated.cut_energy_j, repeated.cut_duration_s)} into what the breaks cut off"
    went = f"{whole}, {cut}" if count else f"No epoch was done twice; {cut}"
    kept = repeated.kept_energy_j.value
    within = "" if kept is None else f"; {format_energy(kept)} of it is in the energy under this rule"
    return f"{went}{within}."


def _spent(energy: Quantity, duration_s: float) -> str:
    joules = "energy that is not known" if energy.value is None else format_energy(energy.value)
    return f"{joules} and {format_duration(duration_s)} went"
