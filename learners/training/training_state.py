"""Where training stands at the end of an epoch: all that the loop itself remembers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from learners.training.checkpoint import BestWeights
from learners.training.outcome import StageOutcome
from learners.training.stopping import Patience

__all__ = ["TrainingState"]


@dataclass(slots=True, kw_only=True)
class TrainingState:
    """What the loop knows between two epochs, besides what it was asked for.

    Attributes:
        stage: the present stage.
        finished: the stages that are over, in order.
        epochs: done in the present stage.
        passes: over the data, in all stages.
        earlier_epochs: of ``epochs``, those that an earlier run did which this one continues.
        patience: of the present stage.
        best: weights of the present stage.
    """

    stage: str = ""
    finished: list[StageOutcome] = field(default_factory=list)
    epochs: int = 0
    passes: int = 0
    earlier_epochs: int = 0
    patience: Patience = field(default_factory=lambda: Patience(None))
    best: BestWeights = field(default_factory=BestWeights)

    def begin(self, stage: str, patience: Patience) -> None:
        """Begin a stage, unless it is under way."""
        if not self.epochs:
            self.stage, self.patience, self.best = stage, patience, BestWeights()

    def goes_on(self, epochs: int) -> bool:
        """Tell whether the present stage, of so many epochs at most, has another one to come."""
        return self.epochs < epochs and not self.patience.exhausted

    def end(self, steps_per_epoch: int) -> None:
        """End the present stage."""
        self.finished.append(
            StageOutcome(
                name=self.stage,
                epochs=self.epochs,
                steps=self.epochs * steps_per_epoch,
                earlier_steps=self.earlier_epochs * steps_per_epoch,
                best_epoch=self.patience.best_epoch,
                ended_by="patience" if self.patience.exhausted else "budget",
            )
        )
        self.epochs = self.earlier_epochs = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data and tensors."""
        return {
            "stage": self.stage,
            "finished": [asdict(stage) for stage in self.finished],
            "epochs": self.epochs,
            "passes": self.passes,
            "patience": self.patience.as_dict(),
            "best": self.best.kept,
        }

    @classmethod
    def continued(cls, data: Mapping[str, Any]) -> TrainingState:
        """Return the state in which a run begins that continues another, from :meth:`as_dict` of that one."""
        finished = [StageOutcome(**stage) for stage in data["finished"]]
        return cls(
            stage=data["stage"],
            finished=[replace(stage, earlier_steps=stage.steps) for stage in finished],
            epochs=data["epochs"],
            passes=data["passes"],
            earlier_epochs=data["epochs"],
            patience=Patience.from_dict(data["patience"]),
            best=BestWeights(data["best"]),
        )
