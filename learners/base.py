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

from energyprof.errors import DataError

__all__ = [
    "Batch",
    "Below",
    "DataSpec",
    "Learner",
    "Metrics",
    "PhaseMarker",
    "Stage",
    "Top",
    "check_data",
    "check_labels",
    "silent_phase",
]

Metrics = Mapping[str, Tensor]
"""Named figures of one step, still on the device: reading them would be a sync inside what is measured.

A scalar, or one value a layer (L,), the lowest layer first: ``local_loss`` of the second layer is logged as
``layer2/local_loss``.
"""

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


class Below(NamedTuple):
    """What frozen layers make of inputs.

    ``x`` is what the layer above them reads (B, ...), ``scores`` the sum of their own class scores
    (B, classes), zeros where they have none.
    """

    x: Tensor
    scores: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Top:
    """The layer that trains alone in a stage, as evaluation sees it: from what frozen layers below it make.

    Scores and loss come from one pass through those; or from one a stage, where that is kept.

    Attributes:
        below: maps inputs (B, C, H, W) to what the frozen layers make of them.
        judge: maps that, and labels (B,), to class scores (B, classes) and the layer's mean loss, a scalar;
            it leaves what it is given as it is.
    """

    below: Callable[[Tensor], Below]
    judge: Callable[[Below, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What is trained at a time: the whole net, or one layer of a layer-sequential learner.

    Attributes:
        name: the phase prefix and the row in the ledger.
        step: learns from one batch.
        epochs: a fixed number of epochs, or None where the protocol decides.
        loss: what early stopping watches on validation batches, unless it is their accuracy: a scalar mean;
            None for the learner's own.
        top: for a layer on top of frozen ones, what takes the place of ``loss`` and of the learner's scores
            in the stage's evaluations, with the same results.
        frozen: maps a batch's inputs to what ``step`` gets in their place, through layers that do not change
            in this stage: the loop computes it once for all training images and keeps it, and what ``top``
            needs of validation images too. None: ``step`` gets the inputs, and nothing is kept.
        compiles: whether ``--compile`` compiles the step; False where it is another one every time.
    """

    name: str
    step: Callable[[Batch], Metrics]
    epochs: int | None = None
    loss: Callable[[Batch], Tensor] | None = None
    top: Top | None = None
    frozen: Callable[[Tensor], Tensor] | None = None
    compiles: bool = True


class Learner(nn.Module):
    """Base of all learners.

    Attributes:
        input_scale: ``"normalised"`` (zero mean, unit variance by channel) or ``"unit"`` (pixels in [0, 1]).
        schedule: how layers take turns, for the record: ``"joint"``, ``"concurrent"``, ``"sequential"`` ...
        arch: the resolved architecture, ``"mlp:1000,1000"``; set by :func:`learners.registry.build`.
        phase: names the parts of a step; set by the loop, silent otherwise.
    """

    input_scale: str = "normalised"
    schedule: str = "joint"
    arch: str = ""
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

    def on_epoch(self, epoch: int, epochs: int) -> None:
        """Prepare for one epoch of the present stage; the loop calls it before the epoch's first step.

        Learning-rate schedules live here.

        Args:
            epoch: from 0.
            epochs: how many there will be at most.
        """

    @torch.no_grad()
    def loss(self, batch: Batch) -> Tensor:
        """Return the mean loss on a batch without learning: cross-entropy of the scores unless overridden."""
        return nn.functional.cross_entropy(self.scores(batch.x), batch.y)

    def parameter_count(self) -> int:
        """Count the trainable parameters."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)


def check_data(x: Tensor, y: Tensor, spec: DataSpec) -> None:
    """Refuse data that no learner can learn from; meant for a whole data set, once, before training.

    Raises:
        DataError: shapes do not fit, inputs are not finite, labels are out of range or all the same.
    """
    if tuple(x.shape[1:]) != spec.shape or x.shape[0] != y.shape[0]:
        wanted = ", ".join(map(str, spec.shape))
        raise DataError(f"inputs {tuple(x.shape)} and labels {tuple(y.shape)} must be (n, {wanted}) and (n,)")
    check_labels(y, spec.classes)
    if bool((y == y[0]).all()):
        raise DataError(f"all {y.numel()} labels are {int(y[0])}: a classifier needs two classes or more")
    if not bool(torch.isfinite(torch.stack(torch.aminmax(x))).all()):  # needs no memory the size of the data
        raise DataError(
            f"{int((~torch.isfinite(x)).sum())} input values are NaN or infinite: clean the data first"
        )


def check_labels(y: Tensor, classes: int, part: str = "") -> None:
    """Refuse labels that name no class, before a score is looked up by them.

    Args:
        y: (n,) of a whole part of the data.
        classes: C.
        part: which part, for the message.

    Raises:
        DataError: labels are out of range, of another type, or none at all.
    """
    if y.dtype != torch.int64 or y.numel() == 0 or int(y.min()) < 0 or int(y.max()) >= classes:
        seen = f"{int(y.min())} to {int(y.max())}" if y.numel() else "none"
        raise DataError(
            f"{f'{part} ' if part else ''}labels must be int64 from 0 to {classes - 1}, seen {seen} as "
            f"{y.dtype}: check the labels"
        )


def silent_phase(_name: str) -> AbstractContextManager[object]:
    """Mark nothing."""
    return _NO_PHASE
