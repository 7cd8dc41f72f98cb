"""Batches from tensors that lie on the device: a batch is a piece of a permutation.

No worker processes and no per-sample work: in a pass the processor does what the learner asks for, not what a
loader does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from energyprof.errors import UsageError
from learners.base import Batch
from learners.data.augmentation import CropAndFlip
from learners.data.dataset import Dataset, Images, Labels
from learners.data.seed import derived_seed

__all__ = ["InputScale", "ResidentData", "TrainingBatches"]

InputScale = Literal["normalised", "unit"]

_PLACED_AT_A_TIME: Final = 256  # images


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResidentData:
    """Inputs and labels on the device.

    Attributes:
        x: (N, C, H, W) float32, contiguous.
        y: (N,) int64.
    """

    x: Tensor
    y: Tensor

    @classmethod
    def place(
        cls,
        dataset: Dataset,
        images: Images,
        labels: Labels,
        chosen: NDArray[np.int64],
        scale: InputScale,
        device: torch.device | str,
    ) -> ResidentData:
        """Bring images to the device, as bytes, and scale them there, once.

        It is done a few at a time, so that no second copy of the data is ever in memory.

        Args:
            dataset: tells the scale: white, and mean and standard deviation by channel.
            images: (M, C, H, W) of the data set.
            labels: (M,).
            chosen: (N,) which of them, in order.
            scale: ``"unit"`` for pixels in [0, 1], ``"normalised"`` for zero mean, unit variance by channel.
            device: where to.
        """
        x = torch.empty((len(chosen), *images.shape[1:]), device=device)
        mean, std = (torch.tensor(v, device=device)[:, None, None] for v in (dataset.mean, dataset.std))
        for start in range(0, len(chosen), _PLACED_AT_A_TIME):
            piece = x[start : start + _PLACED_AT_A_TIME]
            piece.copy_(torch.from_numpy(images[chosen[start : start + _PLACED_AT_A_TIME]]))
            piece.div_(dataset.white)
            if scale == "normalised":
                piece.sub_(mean).div_(std)
        return cls(x=x, y=torch.from_numpy(labels[chosen]).to(device).long())

    def __len__(self) -> int:
        return len(self.y)

    def chunks(self, size: int) -> Iterator[Batch]:
        """Yield all of it in order, without a copy, ``size`` at a time; the last chunk may be smaller."""
        for start in range(0, len(self), size):
            yield Batch(self.x[start : start + size], self.y[start : start + size])


class TrainingBatches:
    """Shuffled batches of one size; what is left over in a pass is dropped.

    The order of a pass depends on the seed and the number of the pass alone: the same for every learner, on
    every device, and without any state to keep.

    Args:
        data: the training part.
        batch_size: samples a batch.
        seed: the run's seed.
        augmentation: what is done to each batch, or None.

    Raises:
        UsageError: the batch size is not positive or larger than the data.
    """

    def __init__(
        self, data: ResidentData, batch_size: int, seed: int, augmentation: CropAndFlip | None = None
    ) -> None:
        if batch_size < 1:
            raise UsageError(f"--batch-size {batch_size} is no size: give 1 or more")
        if batch_size > len(data):
            raise UsageError(
                f"--batch-size {batch_size} is larger than the training data, {len(data):,} samples: "
                "give a smaller one"
            )
        self.batch_size, self._data, self._seed, self._augmentation = batch_size, data, seed, augmentation
        self._shape, self._rows = data.x.shape[1:], data.x.flatten(1)

    def __len__(self) -> int:
        """Return the number of batches in a pass."""
        return len(self._data) // self.batch_size

    def over(self, data: ResidentData) -> TrainingBatches:
        """Return batches of other rows, as many, in the same order, not augmented."""
        return TrainingBatches(data, self.batch_size, self._seed)

    def one_pass(self, number: int) -> Iterator[Batch]:
        """Yield the batches of pass ``number``; the order is drawn when the first one is asked for."""
        count = len(self) * self.batch_size
        generator = torch.Generator().manual_seed(derived_seed(self._seed, "order", number))
        order = torch.randperm(len(self._data), generator=generator)[:count]
        batches = map(self._batch, torch.split(order.to(self._data.x.device), self.batch_size))
        yield from batches if self._augmentation is None else self._augmented(batches, number)

    def _batch(self, index: Tensor) -> Batch:
        x = self._rows.index_select(0, index)  # rows of two dimensions are copied fastest
        return Batch(x.view(-1, *self._shape), self._data.y.index_select(0, index))

    def _augmented(self, batches: Iterator[Batch], number: int) -> Iterator[Batch]:
        assert self._augmentation is not None
        generator = torch.Generator().manual_seed(derived_seed(self._seed, "augmentation", number))
        variants = self._augmentation.draw(len(self) * self.batch_size, generator)
        for batch, variant in zip(batches, torch.split(variants, self.batch_size), strict=True):
            yield Batch(self._augmentation.apply(batch.x, variant), batch.y)
