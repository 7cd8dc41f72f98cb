"""The split: by the data seed alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.errors import DataError, UsageError
from learners.data.split import permutation, split


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 500), st.integers(0, 2**32 - 1), st.data())
def test_every_image_is_in_exactly_one_part(count: int, seed: int, data: st.DataObject) -> None:
    size = data.draw(st.integers(0, count - 1))
    parts = split(count, size, seed)
    assert len(parts.validation) == size
    assert sorted([*parts.train, *parts.validation]) == list(range(count))


def test_the_same_seed_gives_the_same_split_and_another_seed_another() -> None:
    first, again, other = (split(1000, 100, seed).validation for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_order_is_the_frozen_one_of_numpy() -> None:
    assert permutation(10, 0).tolist() == [2, 8, 4, 9, 1, 6, 7, 3, 0, 5]


def test_nothing_left_to_train_on_is_an_error() -> None:
    with pytest.raises(DataError, match="100 validation images of 100 leave none"):
        split(100, 100)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_an_error(seed: int) -> None:
    with pytest.raises(UsageError, match="data seed"):
        split(10, 2, seed)
