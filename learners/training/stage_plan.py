"""Which stages a learner will go through, known before it trains."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Final

from learners.base import Learner, silent_phase

__all__ = ["LONGEST_WARM_UP", "StagePlan", "plan_stages", "untrained_copy"]


LONGEST_WARM_UP: Final = 16  # steps after which a copy that learns for a count is taken to have settled


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """A stage to come: its name, and the epochs that it demands by itself (None: the protocol decides)."""

    name: str
    epochs: int | None


def plan_stages(learner: Learner) -> tuple[StagePlan, ...]:
    """Return the stages of a learner that has not trained yet.

    Stages are known only by going through them, closing acts included; a copy does so, without a step.
    Copying 60 MB of weights can take a second: do it before energy is measured.
    """
    rehearsal = untrained_copy(learner)
    return tuple(StagePlan(name=stage.name, epochs=stage.epochs) for stage in rehearsal.stages())


def untrained_copy(learner: Learner) -> Learner:
    """Return a deep copy that shares nothing with the learner, its phases silent."""
    marker, learner.phase = learner.phase, silent_phase  # a marker holds the profiler: not to be copied
    try:
        return copy.deepcopy(learner)
    finally:
        learner.phase = marker
