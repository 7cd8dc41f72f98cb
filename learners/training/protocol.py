"""How long a run trains and what it keeps: the same for every arm of a comparison.

Three rules, after which all published comparisons of these learners can be repeated: a fixed number of
epochs; each learner's *own convergence*; and *matched passes*, the same number of passes over the data for
everyone. Convergence is told by one figure of the validation images, the loss or the accuracy: patience, the
least improvement and the weights that are kept all go by it. The two can end at different weights: the loss
of a net that grows surer of its mistakes rises while its accuracy still does too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from energyprof.errors import UnknownName, UsageError
from learners.training.stopping import WATCHABLE, Watched

__all__ = ["Protocol", "Rule"]


class Rule(StrEnum):
    """What decides that training ends."""

    FIXED = "fixed-epochs"  # that many epochs of each stage
    CONVERGENCE = "own-convergence"  # patience on a validation figure, a stage at a time
    MATCHED = "matched-passes"  # that many passes over the data, divided over the stages


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """A stopping rule with its budget; make one by :meth:`fixed`, :meth:`convergence` or :meth:`matched`.

    Evaluation takes place after every ``evaluate_every``-th epoch of a stage and after its last one, for
    every learner alike, in a phase of its own.

    Attributes:
        rule: what decides.
        epochs: of each stage (fixed), at most of each stage (convergence), over all stages (matched).
        patience: epochs in a row without a better value of what is watched after which a stage ends.
        min_delta: by more than how much a loss must be lower, or an accuracy (a fraction) higher, to count as
            better. An equal value is not better: the first of equals stays.
        restore_best: whether a stage ends with the weights of its best watched value rather than its last.
        evaluate_every: epochs from one evaluation to the next.
        watch: the validation figure that tells a better epoch, the same for every learner. It is that of the
            stage's own evaluation: the loss of what trains, and the accuracy of the net up to it.
    """

    rule: Rule
    epochs: int
    patience: int | None = None
    min_delta: float = 0.0
    restore_best: bool = False
    evaluate_every: int = 1
    watch: Watched = "loss"

    def __post_init__(self) -> None:
        """Check that it can be meant.

        Raises:
            UsageError: a number that trains nothing or never stops.
            UnknownName: a figure that no evaluation has.
        """
        if self.epochs < 1:
            option = "--passes" if self.rule is Rule.MATCHED else "--epochs"
            raise UsageError(f"{option} {self.epochs} would train nothing: give 1 or more")
        if self.evaluate_every < 1:
            raise UsageError(f"evaluating every {self.evaluate_every} epochs cannot be: give 1 or more")
        if self.patience is not None and self.patience < 1:
            raise UsageError(f"patience {self.patience} would stop before it began: give 1 or more")
        if self.rule is Rule.CONVERGENCE and self.patience is None:
            raise UsageError("training to convergence needs a patience: give 1 or more")
        if not (math.isfinite(self.min_delta) and self.min_delta >= 0):
            raise UsageError(f"min delta {self.min_delta} cannot be: give 0 or more")
        if self.watch not in WATCHABLE:
            raise UnknownName("figure to watch", self.watch, WATCHABLE)

    @classmethod
    def fixed(cls, epochs: int, *, evaluate_every: int = 1) -> Protocol:
        """Train each stage for that many epochs and keep the last weights."""
        return cls(rule=Rule.FIXED, epochs=epochs, evaluate_every=evaluate_every)

    @classmethod
    def convergence(
        cls,
        *,
        patience: int = 20,
        min_delta: float = 0.0,
        cap: int = 100,
        evaluate_every: int = 1,
        watch: Watched = "loss",
    ) -> Protocol:
        """Train each stage until its validation loss has not improved for ``patience`` epochs, or to the cap.

        Or until its validation accuracy has not, where that is watched. The weights of the best epoch by the
        watched figure are restored, of equal ones the first.
        """
        return cls(
            rule=Rule.CONVERGENCE,
            epochs=cap,
            patience=patience,
            min_delta=min_delta,
            restore_best=True,
            evaluate_every=evaluate_every,
            watch=watch,
        )

    @classmethod
    def matched(cls, passes: int, *, evaluate_every: int = 1) -> Protocol:
        """Train for that many passes over the data in all, divided over the stages; keep the last weights."""
        return cls(rule=Rule.MATCHED, epochs=passes, evaluate_every=evaluate_every)

    def plan(self, stages: Sequence[int | None]) -> tuple[int, ...]:
        """Return how many epochs each stage may have at most.

        Args:
            stages: the epochs that each stage demands by itself, None where it demands none.

        Raises:
            UsageError: fewer passes than stages to divide them over.
        """
        if self.rule is not Rule.MATCHED:
            return tuple(self.epochs if demanded is None else demanded for demanded in stages)
        free = sum(demanded is None for demanded in stages)
        left = self.epochs - sum(demanded or 0 for demanded in stages)
        if left < free:
            raise UsageError(
                f"--passes {self.epochs} cannot be divided over {len(stages)} stages: give at least "
                f"{self.epochs - left + free}"
            )
        shares = iter([left // free + (k < left % free) for k in range(free)])  # the first ones get the rest
        return tuple(next(shares) if demanded is None else demanded for demanded in stages)

    def as_dict(self) -> dict[str, Any]:
        """Return it as ``workload.protocol`` of the record."""
        return {
            "rule": str(self.rule),
            "epochs": self.epochs,
            "watched": f"validation_{self.watch}" if self.rule is Rule.CONVERGENCE else None,
            "patience": self.patience,
            "min_delta": self.min_delta if self.rule is Rule.CONVERGENCE else None,
            "checkpoint": "best weights in memory, restored at a stage's end"
            if self.restore_best
            else "none",
            "evaluate_every": self.evaluate_every,
        }
