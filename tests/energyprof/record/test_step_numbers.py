"""Which step a mark belongs to, and how far that is decided."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.record.step_numbers import BODY, PLAIN, WAIT, number_steps


@pytest.mark.parametrize(
    ("kinds", "steps", "begun"),
    [
        ([], [], 3),
        ([WAIT], [], 3),
        ([WAIT, BODY, WAIT, BODY], [3, 3, 4, 4], 5),
        ([WAIT, BODY, WAIT, PLAIN], [3, 3, -1, -1], 4),
        ([WAIT, WAIT, BODY, WAIT], [3, 3, 3], 4),
        ([BODY, PLAIN], [2, -1], 3),
    ],
)
def test_a_step_is_the_wait_for_its_data_and_its_body(kinds: list[int], steps: list[int], begun: int) -> None:
    found, count = number_steps(np.array(kinds, np.int32), 3)
    assert (found.tolist(), count) == (steps, begun)


@given(kinds=st.lists(st.sampled_from([WAIT, BODY, PLAIN]), max_size=40), cut=st.integers(0, 40))
@settings(max_examples=100, deadline=None)
def test_marks_in_two_parts_are_numbered_as_in_one(kinds: list[int], cut: int) -> None:
    marks = np.array(kinds, np.int32)
    whole, begun = number_steps(marks, 0)
    first, between = number_steps(marks[:cut], 0)
    rest, end = number_steps(marks[first.size :], between)
    assert np.concatenate([first, rest]).tolist() == whole.tolist()
    assert end == begun
