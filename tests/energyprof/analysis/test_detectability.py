from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.analysis.detectability import detectable_effect, runs_needed
from energyprof.analysis.statistics import Design, welch_log_ratio


def test_the_detectable_effect_is_found_with_the_stated_power() -> None:
    rng, spread, n, found = np.random.default_rng(0), 0.03, 8, 0
    standard_error = spread * math.sqrt(2 / n)
    effect = detectable_effect(standard_error, 2 * n - 2, 0.05, 0.8)
    for _ in range(3000):
        base, head = np.exp(rng.normal(0, spread, n)), np.exp(rng.normal(effect, spread, n))
        found += welch_log_ratio(list(base), list(head)).lower(0.05) > 1
    assert found / 3000 == pytest.approx(0.8, abs=0.03)


def test_runs_needed_is_the_smallest_count_that_detects_the_gap() -> None:
    spread, gap = 0.02, 0.04
    n = runs_needed(spread, gap, power=0.8)
    assert n is not None
    effects = [
        detectable_effect(spread * math.sqrt(2 / k), 2 * k - 2, 0.05, 0.8) for k in (n - 1, n) if k >= 3
    ]
    assert effects[-1] <= gap < effects[0]
    assert runs_needed(spread, gap, power=0.8, design=Design.PAIRED) <= n  # type: ignore[operator]
    assert runs_needed(spread, 0) is None
    assert runs_needed(1.0, 1e-6) is None
    assert runs_needed(0.0, 0.04) == 3


@given(st.floats(0.001, 0.3), st.floats(0.005, 0.3), st.floats(0, 0.02), st.sampled_from([0.5, 0.8, 0.95]))
@settings(max_examples=60, deadline=None)
def test_runs_needed_finds_what_trying_every_count_finds(
    spread: float, gap: float, between: float, power: float
) -> None:
    def effect(n: int) -> float:
        error = math.sqrt(2 * spread**2 / n + 2 * between**2)
        return detectable_effect(error, 2 * n - 2, 0.05, power)

    found = runs_needed(spread, gap, power=power, between_sigma=between)
    tried = next((n for n in range(3, 200) if effect(n) <= gap), None)
    assert found == tried or (tried is None and (found is None or found >= 200))
