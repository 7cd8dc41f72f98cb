"""Who wants to know how training goes on: a live view."""

from __future__ import annotations

from typing import Protocol

from learners.training.outcome import EpochOutcome

__all__ = ["Listener", "SilentListener"]


class Listener(Protocol):
    """Told how training goes on, on the training thread: what it does here is part of the run's cost."""

    def training_began(
        self, stages: tuple[tuple[str, int], ...], steps_per_epoch: int, epochs_before: int = 0
    ) -> None:
        """Take the stages: name and greatest number of epochs of each, and the epochs an earlier run did."""
        ...

    def epoch_began(self, stage: str, epoch: int) -> None:
        """Take that an epoch of a stage begins, from 0."""
        ...

    def step_ended(self, step: int) -> None:
        """Take that a step of the epoch ended, from 1; called at every step, so it must only take note."""
        ...

    def epoch_ended(self, epoch: EpochOutcome) -> None:
        """Take what came of an epoch."""
        ...

    def evaluation_began(self, part: str) -> None:
        """Take that a part of the data is being evaluated."""
        ...


class SilentListener:
    """Wants to know nothing."""

    def training_began(
        self, stages: tuple[tuple[str, int], ...], steps_per_epoch: int, epochs_before: int = 0
    ) -> None:
        """Ignore it."""

    def epoch_began(self, stage: str, epoch: int) -> None:
        """Ignore it."""

    def step_ended(self, step: int) -> None:
        """Ignore it."""

    def epoch_ended(self, epoch: EpochOutcome) -> None:
        """Ignore it."""

    def evaluation_began(self, part: str) -> None:
        """Ignore it."""
