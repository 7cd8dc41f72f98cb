"""A data set in memory: bytes as published, with what is needed to make inputs of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learners.base import DataSpec

__all__ = ["Dataset", "Images", "Labels", "digest", "measure_pixels"]

Images = NDArray[np.uint8]
"""(N, C, H, W) pixels as published."""

Labels = NDArray[np.uint8]
"""(N,) class numbers from 0."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Images and labels, a training and a test part.

    Attributes:
        name: as ``--dataset`` takes it.
        train_x: (N, C, H, W) pixels from 0 to ``white``; the validation part is still among them.
        train_y: (N,) labels.
        test_x: (M, C, H, W).
        test_y: (M,).
        classes: number of classes.
        white: the value of a pixel that is 1 on the unit scale.
        mean: of each channel on the unit scale.
        std: standard deviation of each channel on the unit scale.
        validation_size: how many of the N a split sets apart.
        augmented: whether training images are cropped and flipped at random unless said otherwise.
        sha256: over the decoded arrays: the same whatever file they came in.
        source: who made it, in short.
        licence: its licence, as far as one was published.
    """

    name: str
    train_x: Images
    train_y: Labels
    test_x: Images
    test_y: Labels
    classes: int
    white: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    validation_size: int
    augmented: bool
    sha256: str
    source: str
    licence: str

    @property
    def spec(self) -> DataSpec:
        """Return what a learner must know of the data."""
        channels, height, width = self.train_x.shape[1:]
        return DataSpec(shape=(channels, height, width), classes=self.classes)


def digest(*arrays: Images | Labels) -> str:
    """Return the SHA-256 (hex) over the shapes and bytes of arrays, in order."""
    seen = hashlib.sha256()
    for array in arrays:
        seen.update(f"{array.shape}{array.dtype.str};".encode())
        seen.update(np.ascontiguousarray(array).data)
    return seen.hexdigest()


def measure_pixels(images: Images, white: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel on the unit scale, exact for 8-bit pixels."""
    values = np.arange(256) / white
    means, stds = [], []
    for channel in range(images.shape[1]):
        counts = np.zeros(256, np.int64)
        for part in range(0, len(images), 4096):  # bincount widens its input eightfold
            counts += np.bincount(images[part : part + 4096, channel].ravel(), minlength=256)
        mean = float(counts @ values / counts.sum())
        means.append(mean)
        stds.append(float(np.sqrt(counts @ (values - mean) ** 2 / counts.sum())))
    return tuple(means), tuple(stds)
