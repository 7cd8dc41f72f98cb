"""The 8x8 digits that ship with the package (UCI, Alpaydin and Kaynak 1998)."""

from __future__ import annotations

import hashlib
import io
from importlib.resources import files
from typing import Final

import numpy as np

from energyprof.errors import DataError
from learners.data.dataset import Images, Labels
from learners.data.split import permutation

__all__ = ["DIGITS_SHA256", "read_digits"]

DIGITS_SHA256: Final = "b2dab7b501728c22e9119ad76740b2e17c77a231e42d1e592380d90886f1a05e"
_TEST_SIZE: Final = 300
_TEST_SEED: Final = 0  # the test part is the same for every data seed, as where it was published apart


def read_digits() -> tuple[Images, Labels, Images, Labels]:
    """Return 1,497 images to train and validate on, and 300 to test on.

    Raises:
        DataError: the embedded file is not the one that the package was made with.
    """
    resource = files("learners.data").joinpath("embedded/digits.npz")
    try:
        content = resource.read_bytes()
    except OSError as error:
        raise DataError(f"the embedded digits are missing ({error}): install the package again") from error
    seen = hashlib.sha256(content).hexdigest()
    if seen != DIGITS_SHA256:
        raise DataError(
            f"the embedded digits have SHA-256 {seen}, not {DIGITS_SHA256}: install the package again"
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        images, labels = arrays["images"][:, None], arrays["labels"]
    order = permutation(len(labels), _TEST_SEED)
    test, train = np.sort(order[:_TEST_SIZE]), np.sort(order[_TEST_SIZE:])
    return images[train], labels[train], images[test], labels[test]
