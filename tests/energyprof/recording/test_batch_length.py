from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from energyprof.recording.batch_length import batch_length


class Graph:
    """A batch of somebody's own."""

    def __len__(self) -> int:
        raise NotImplementedError("ask its nodes")


@pytest.mark.parametrize(
    ("batch", "length"),
    [
        ([np.zeros((4, 3)), np.zeros(4)], 4),
        ({"ids": np.zeros((5, 3)), "mask": np.zeros(5)}, 5),
        (np.zeros(6), 6),
        (np.float64(1.0), None),
        (7, None),
        ({}, 0),
        (Graph(), None),
        ([Graph(), np.zeros(2)], 2),
    ],
)
def test_it_is_the_first_elements_length_else_its_own_and_never_an_error(
    batch: Any, length: int | None
) -> None:
    assert batch_length(batch) == length
