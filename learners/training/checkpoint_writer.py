"""Writes checkpoints while a run trains: every so many epochs, and a last one when it is interrupted."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from energyprof.errors import OutputError, UsageError
from learners.base import Learner
from learners.training.checkpoint_file import write_checkpoint
from learners.training.learner_state import capture, copied
from learners.training.random_state import capture_generators
from learners.training.training_state import TrainingState

__all__ = ["CheckpointWriter", "require_epochs"]


class CheckpointWriter:
    """Keeps one file up to date with a training, which a disk that refuses it does not stop.

    Epochs between two writings are held in memory, so that an interruption loses no more than the epoch that
    was going on; with ``every`` of 1 nothing needs to be held.

    Args:
        path: of the file.
        every: epochs from one writing to the next, over all stages.
        header: what is written with the state: what the run is, as plain data.
        device: where the training takes place.

    Raises:
        UsageError: fewer than one epoch.
    """

    def __init__(self, path: Path, every: int, header: Mapping[str, Any], device: torch.device) -> None:
        require_epochs(every)
        self._path, self._every, self._header, self._device = path, every, dict(header), device
        self._held: Any = None

    def epoch_ended(self, learner: Learner, state: TrainingState) -> None:
        """Write, or hold, where training stands; warns where the file cannot be written."""
        content = {
            **self._header,
            "training": state.as_dict(),
            "learner": capture(learner),
            "random": capture_generators(self._device),
        }
        if state.passes % self._every or not self._written(content):
            self._held = copied(content)
        else:
            self._held = None

    def leave_last(self) -> None:
        """Write what is held, if anything is; warns where the file cannot be written."""
        held, self._held = self._held, None
        if held is not None:
            self._written(held)

    def _written(self, content: Mapping[str, Any]) -> bool:
        """Write the file, or say why it cannot be: training goes on, and an older file stays."""
        try:
            write_checkpoint(self._path, content)
        except OutputError as error:
            warnings.warn(f"{error}; training goes on", RuntimeWarning, stacklevel=3)
            return False
        return True


def require_epochs(every: int | None) -> None:
    """Refuse a distance between checkpoints that cannot be meant.

    Raises:
        UsageError: fewer than one epoch.
    """
    if every is not None and every < 1:
        raise UsageError(f"--checkpoint-every {every} cannot be: give 1 epoch or more")
