"""What came of training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from learners.training.evaluation import Evaluation

__all__ = ["EpochOutcome", "Outcome", "StageOutcome"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochOutcome:
    """One epoch of one stage.

    Attributes:
        stage: its name.
        index: the epoch within its stage, from 0.
        train_loss: mean over the steps of the epoch, each taken before its update.
        validation: None where this epoch was not evaluated.
        best: whether what the protocol watches, by default the validation loss, is the best of the stage so
            far.
    """

    stage: str
    index: int
    train_loss: float
    validation: Evaluation | None
    best: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOutcome:
    """One stage.

    Attributes:
        name: of the stage.
        epochs: how many were done.
        steps: how many were done.
        earlier_steps: of these, how many were done by an earlier run that this one continues.
        best_epoch: the one with the best value of what the protocol watches, from 0; the first of equals.
        ended_by: ``"budget"`` (all epochs done) or ``"patience"``.
    """

    name: str
    epochs: int
    steps: int
    best_epoch: int | None
    ended_by: Literal["budget", "patience"]
    earlier_steps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A whole training.

    Attributes:
        stages: in order.
        train: with the final weights, over at most 10,000 training images.
        validation: with the final weights.
        test: with the final weights.
        samples: training samples seen.
    """

    stages: tuple[StageOutcome, ...]
    train: Evaluation
    validation: Evaluation
    test: Evaluation
    samples: int

    @property
    def steps(self) -> int:
        """Return the steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    @property
    def passes(self) -> int:
        """Return the passes over the training data."""
        return sum(stage.epochs for stage in self.stages)
