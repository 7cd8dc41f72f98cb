"""The split into training and validation images: by the data seed alone, the same for every arm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from energyprof.errors import DataError, UsageError

__all__ = ["Split", "permutation", "split"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """Which of the training images are for training and which for validation.

    Attributes:
        train: indices, ascending.
        validation: indices, ascending.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]


def split(count: int, validation_size: int, data_seed: int = 0) -> Split:
    """Set ``validation_size`` of ``count`` images apart.

    Raises:
        DataError: nothing would be left to train on.
        UsageError: the seed is not one.
    """
    if not 0 <= validation_size < count:
        raise DataError(f"{validation_size} validation images of {count} leave none to train on")
    order = permutation(count, data_seed)
    return Split(train=np.sort(order[validation_size:]), validation=np.sort(order[:validation_size]))


def permutation(count: int, seed: int) -> NDArray[np.int64]:
    """Return a permutation of ``count`` that stays the same in every version of numpy.

    ``RandomState`` is the one generator whose stream numpy has frozen.

    Raises:
        UsageError: the seed is negative or takes more than 32 bits.
    """
    if not 0 <= seed < 2**32:
        raise UsageError(f"a data seed must be from 0 to {2**32 - 1}, seen {seed}")
    return np.random.RandomState(seed).permutation(count).astype(np.int64)
