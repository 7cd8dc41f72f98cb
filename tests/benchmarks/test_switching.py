"""The median slowdown of rounds and its interval, on made-up rounds of which the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.switching import slowdown

shares = st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=40)


@settings(max_examples=30, deadline=None)
@given(found=shares)
def test_the_share_is_the_median_and_lies_in_its_interval(found: list[float]) -> None:
    result = slowdown(found)
    assert result.share == np.median(found)
    assert min(found) <= result.low <= result.share <= result.high <= max(found)


def test_rounds_that_agree_leave_no_doubt() -> None:
    result = slowdown([0.004] * 15)
    assert (result.low, result.share, result.high) == (0.004, 0.004, 0.004)


def test_a_round_that_was_disturbed_moves_nothing() -> None:
    quiet = [0.001 * k for k in range(-10, 11)]
    disturbed = slowdown([*quiet[:-1], 9.0])
    assert disturbed.share == slowdown(quiet).share == 0
    assert disturbed.high <= 0.01


@settings(max_examples=20, deadline=None)
@given(found=shares, more=st.floats(-0.1, 0.1))
def test_a_cost_added_to_every_round_is_added_to_all_figures(found: list[float], more: float) -> None:
    plain, dearer = slowdown(found), slowdown([share + more for share in found])
    for name in ("share", "low", "high"):
        assert getattr(dearer, name) == pytest.approx(getattr(plain, name) + more, abs=1e-12)


def test_more_rounds_make_a_narrower_interval() -> None:
    random = np.random.default_rng(0)
    few, many = (slowdown(random.normal(0, 0.01, count).tolist()) for count in (11, 201))
    assert many.high - many.low < 0.5 * (few.high - few.low)


def test_the_interval_covers_the_true_cost_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    results = [slowdown((0.002 + 0.01 * random.standard_t(3, 25)).tolist()) for _ in range(200)]
    covered = np.mean([result.low <= 0.002 <= result.high for result in results])
    assert 0.9 <= covered <= 0.99
    assert abs(np.mean([result.share for result in results]) - 0.002) < 0.001
