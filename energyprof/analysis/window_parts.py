"""What the measured window included, as far as the names of its phases tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from energyprof.analysis.findings import is_named
from energyprof.analysis.quality import CHECKPOINT, EVALUATION
from energyprof.record.model import PhaseEnergy

__all__ = ["window_parts"]

_ALWAYS: Final = ("training", "data-loading")  # a loop that has no phase for them has them all the same
_TOLD_BY: Final = {
    "evaluation": EVALUATION,
    "checkpoints": CHECKPOINT,
    "warm-up": frozenset({"warm-up", "warmup"}),
}


def window_parts(phases: Sequence[PhaseEnergy]) -> tuple[str, ...]:
    """Return what a window included, of the parts that ``window.includes`` knows.

    Args:
        phases: those that were recorded in it.
    """
    told = (part for part, names in _TOLD_BY.items() if any(is_named(phase, names) for phase in phases))
    return (*_ALWAYS, *told)
