from __future__ import annotations

import math

import numpy as np
import pytest

from energyprof.analysis.trend import change_points


def series(seed: int, *levels: tuple[int, float], noise: float = 0.01) -> list[float]:
    """Make up levels of so many runs each, with log-normal noise."""
    rng = np.random.default_rng(seed)
    return [float(level * math.exp(rng.normal(0, noise))) for count, level in levels for _ in range(count)]


def test_a_step_is_found_where_it_is() -> None:
    (change,) = change_points(series(0, (12, 100.0), (9, 110.0)))
    assert change.index == 12
    assert change.ratio == pytest.approx(1.1, rel=0.02)


def test_two_steps_are_both_found_with_their_own_ratios() -> None:
    changes = change_points(series(1, (10, 100.0), (10, 120.0), (10, 90.0)))
    assert [c.index for c in changes] == [10, 20]
    assert [c.ratio for c in changes] == pytest.approx([1.2, 0.75], rel=0.03)


def test_a_series_without_a_step_has_seldom_one() -> None:
    found = sum(bool(change_points(series(seed, (25, 100.0)))) for seed in range(200))
    assert found <= 6


def test_a_step_too_small_to_tell_is_not_told() -> None:
    assert change_points(series(0, (15, 100.0), (15, 101.0), noise=1e-4)) == ()


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 5, [2.0] * 40])
def test_short_and_level_series_have_no_step(values: list[float]) -> None:
    assert change_points(values) == ()


def test_a_step_without_any_noise_is_found() -> None:
    assert [c.index for c in change_points([1.0] * 5 + [2.0] * 5)] == [5]


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_values_that_have_no_logarithm_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="positive, finite"):
        change_points([1.0, bad])
