"""What is learned: makes training batches, and turns scores into accuracy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Literal, Protocol, cast

import numpy as np
import torch
from torch import Tensor

from energyprof.errors import UsageError
from learners.base import Batch, DataSpec, Learner, Top, check_data, check_labels
from learners.data.augmentation import CropAndFlip
from learners.data.batches import InputScale, ResidentData, TrainingBatches
from learners.data.dataset import Dataset
from learners.data.split import split
from learners.training.evaluation import EVALUATION_BATCH, Evaluation, TopEvaluation, mean_over
from learners.training.frozen_outputs import compute_frozen_outputs

__all__ = ["ImageTask", "Part", "Task"]

Part = Literal["train", "validation", "test"]

_TRAIN_SAMPLE: Final = 10_000  # training accuracy is taken over at most so many images


class Task(Protocol):
    """What the loop needs of a task."""

    @property
    def batch_size(self) -> int:
        """Return the samples of a step."""
        ...

    @property
    def steps_per_pass(self) -> int:
        """Return the steps of one pass over the training data."""
        ...

    def one_pass(self, number: int) -> Iterator[Batch]:
        """Yield the batches of pass ``number``."""
        ...

    def keep_outputs(self, frozen: Callable[[Tensor], Tensor]) -> Callable[[int], Iterator[Batch]]:
        """Compute what frozen layers make of all training inputs; return :meth:`one_pass` over that."""
        ...

    def evaluate(
        self, learner: Learner, part: Part, loss: Callable[[Batch], Tensor] | None = None
    ) -> Evaluation:
        """Return mean loss and accuracy over a part; ``loss`` where it is not the learner's own."""
        ...

    def evaluation_of(self, top: Top, part: Part, *, keep: bool) -> Callable[[], Evaluation]:
        """Return what evaluates a layer over a part; ``keep``: those below it are passed through once."""
        ...


class ImageTask:
    """Classify images that lie on the device.

    Args:
        dataset: what to learn.
        input_scale: the learner's: ``"normalised"`` or ``"unit"``.
        batch_size: samples a step.
        seed: the run's seed: order of the batches and augmentation.
        data_seed: of the split into training and validation images.
        device: where the data lie.
        augment: whether to crop and flip at random; None: as the data set says.

    Raises:
        UsageError: a batch size that the data cannot fill, or images too small to be augmented.
        DataError: data that no classifier can learn from.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        input_scale: str = "normalised",
        batch_size: int = 128,
        seed: int = 0,
        data_seed: int = 0,
        device: torch.device | str = "cpu",
        augment: bool | None = None,
    ) -> None:
        if input_scale not in ("normalised", "unit"):
            raise UsageError(f"inputs are scaled 'normalised' or 'unit', not '{input_scale}'")
        self.spec: DataSpec = dataset.spec
        self.augmented = dataset.augmented if augment is None else augment
        chosen = split(len(dataset.train_y), dataset.validation_size, data_seed)
        images = {
            "train": (dataset.train_x, dataset.train_y, chosen.train),
            "validation": (dataset.train_x, dataset.train_y, chosen.validation),
            "test": (dataset.test_x, dataset.test_y, np.arange(len(dataset.test_y))),
        }
        scale = cast(InputScale, input_scale)
        self._parts = {
            part: ResidentData.place(dataset, *some, scale, device) for part, some in images.items()
        }
        train = self._parts["train"]
        check_data(train.x, train.y, self.spec)
        for part in ("validation", "test"):
            check_labels(self._parts[part].y, self.spec.classes, part)
        crop = CropAndFlip.build(*self.spec.shape[1:], device=device) if self.augmented else None
        self._batches = TrainingBatches(train, batch_size, seed, crop)

    @property
    def batch_size(self) -> int:
        """Return the samples of a step."""
        return self._batches.batch_size

    @property
    def steps_per_pass(self) -> int:
        """Return the steps of one pass over the training data."""
        return len(self._batches)

    def samples(self, part: Part) -> int:
        """Return how many images a part holds."""
        return len(self._parts[part])

    def one_pass(self, number: int) -> Iterator[Batch]:
        """Yield the batches of pass ``number``; they depend on it and on the seed alone."""
        return self._batches.one_pass(number)

    def keep_outputs(self, frozen: Callable[[Tensor], Tensor]) -> Callable[[int], Iterator[Batch]]:
        """Compute what frozen layers make of all training images; return :meth:`one_pass` over that.

        It is kept for as long as what is returned.

        Raises:
            UsageError: images are augmented, so that no two passes are alike, or it would not fit in memory.
        """
        self.require_alike_passes()
        kept = compute_frozen_outputs(self._parts["train"], frozen, self.batch_size)
        return self._batches.over(kept).one_pass

    def require_alike_passes(self) -> None:
        """Refuse to keep outputs of frozen layers where inputs differ from pass to pass.

        Raises:
            UsageError: images are augmented.
        """
        if self.augmented:
            raise UsageError(
                "training images are cropped and flipped anew at every pass, so that what frozen layers make "
                "of them cannot be kept: leave out --set cache=true"
            )

    @torch.no_grad()
    def evaluate(
        self, learner: Learner, part: Part, loss: Callable[[Batch], Tensor] | None = None
    ) -> Evaluation:
        """Return mean loss and accuracy over a part of the data, without augmentation.

        Of the training part, at most 10,000 images count.

        Args:
            learner: what is evaluated.
            part: on what.
            loss: mean loss of a batch; None for the learner's own, taken from the scores where it is their
                cross-entropy.
        """
        data = self._evaluated(part)
        measure = loss or (None if type(learner).loss is Learner.loss else learner.loss)

        def judge(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
            scores = learner.scores(batch.x)
            mean = torch.nn.functional.cross_entropy(scores, batch.y) if measure is None else measure(batch)
            return scores, mean, batch.y

        return mean_over(map(judge, data.chunks(EVALUATION_BATCH)), data.x.device)

    def evaluation_of(self, top: Top, part: Part, *, keep: bool) -> Callable[[], Evaluation]:
        """Return what evaluates the layer in training, on top of frozen ones, as :meth:`evaluate` would.

        Args:
            top: the layer.
            part: on what.
            keep: whether what the frozen layers make of the part is computed once, at the first evaluation,
                and kept for as long as what is returned.
        """
        return TopEvaluation(self._evaluated(part), top, keep=keep)

    def _evaluated(self, part: Part) -> ResidentData:
        data = self._parts[part]
        if part == "train" and len(data) > _TRAIN_SAMPLE:
            return ResidentData(x=data.x[:_TRAIN_SAMPLE], y=data.y[:_TRAIN_SAMPLE])
        return data
