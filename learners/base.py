"""The protocol between a learner and the training loop.

The loop (the only one, :mod:`learners.training.loop`) owns epochs, stopping, evaluation, checkpoints and the
profiler. A learner owns its equations: it learns from one batch and scores inputs. It never loops over epochs
and never sees a meter; it only names its phases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["Batch", "DataSpec", "Learner", "Metrics", "PhaseMarker", "Stage"]

Metrics = Mapping[str, Tensor]
"""Named scalars of one step, still on the device: reading them would be a sync inside what is measured."""

PhaseMarker = Callable[[str], AbstractContextManager[object]]
"""Opens a phase of a step: ``with phase("forward"): ...``."""

_NO_PHASE = nullcontext()


class Batch(NamedTuple):
    """Inputs and labels on the device: ``x`` (B, C, H, W) float, ``y`` (B,) int64."""

    x: Tensor
    y: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSpec:
    """What a learner must know of the data to build itself."""

    shape: tuple[int, int, int]  # (C, H, W)
    classes: int

    @property
    def features(self) -> int:
        """Return the length of a flattened input."""
        return self.shape[0] * self.shape[1] * self.shape[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What is trained at a time: the whole net, or one layer of a layer-sequential learner.

    Attributes:
        name: the phase prefix and the row in the ledger.
        step: learns from one batch.
        epochs: a fixed number of epochs, or None where the protocol decides.
        loss: what early stopping watches on validation batches, a scalar mean; None for the learner's own.
    """

    name: str
    step: Callable[[Batch], Metrics]
    epochs: int | None = None
    loss: Callable[[Batch], Tensor] | None = None


class Learner(nn.Module):
    """Base of all learners.

    Attributes:
        input_scale: ``"normalised"`` (zero mean, unit variance by channel) or ``"unit"`` (pixels in [0, 1]).
        schedule: how layers take turns, for the record: ``"joint"``, ``"concurrent"``, ``"sequential"`` ...
        phase: names the parts of a step; set by the loop, silent otherwise.
    """

    input_scale: str = "normalised"
    schedule: str = "joint"
    phase: PhaseMarker

    def __init__(self) -> None:
        super().__init__()
        self.phase = silent_phase

    def step(self, batch: Batch) -> Metrics:
        """Learn from one batch; return at least ``loss``, a detached scalar tensor on the device."""
        raise TypeError(f"{type(self).__name__} defines no step: it must override step() or stages()")

    def scores(self, x: Tensor) -> Tensor:
        """Return class scores (B, classes); the argmax is the prediction."""
        raise TypeError(f"{type(self).__name__} defines no scores")

    def stages(self) -> Iterator[Stage]:
        """Yield the stages in order; code after a ``yield`` is that stage's closing act."""
        yield Stage(name="train", step=self.step)

    @torch.no_grad()
    def loss(self, batch: Batch) -> Tensor:
        """Return the mean loss on a batch without learning: cross-entropy of the scores unless overridden."""
        return nn.functional.cross_entropy(self.scores(batch.x), batch.y)

    def parameter_count(self) -> int:
        """Count the trainable parameters."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)


def silent_phase(_name: str) -> AbstractContextManager[object]:
    """Mark nothing."""
    return _NO_PHASE
