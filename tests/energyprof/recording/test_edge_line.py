from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.recording.edge_line import EdgeLine

MS = 1_000_000


@given(period=st.floats(15, 120), first=st.floats(0, 1e6), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_a_line_through_noisy_edges_predicts_the_next_ones(period: float, first: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    line = EdgeLine([], period * MS * 1.01)
    for k in range(60):
        half = rng.uniform(0.3, 1.0) * MS
        line.add(k, (first + k * period) * MS + rng.uniform(-half, half), half)
    assert line.period_ns == pytest.approx(period * MS, abs=0.08 * MS)
    assert line.predict(61) == pytest.approx((first + 61 * period) * MS, abs=1.2 * MS)
    assert line.predict(61) == pytest.approx((first + 61 * period) * MS, abs=6 * line.deviation_ns(61))


def test_numbers_may_leave_holes() -> None:
    line = EdgeLine([(k, 5 * MS + k * 100 * MS, MS) for k in (0, 1, 4, 5, 9)], 90 * MS)
    assert line.predict(12) == pytest.approx(1205 * MS, abs=1000)


def test_one_edge_keeps_the_period_that_was_given() -> None:
    line = EdgeLine([(3, 500 * MS, MS)], 100 * MS)
    assert line.predict(5) == 700 * MS
    assert line.deviation_ns(5) == 0.0


def test_narrow_brackets_count_for_more() -> None:
    line = EdgeLine([(0, 0.0, 0.2 * MS), (1, 103 * MS, 20 * MS), (2, 200 * MS, 0.2 * MS)], 100 * MS)
    assert line.period_ns == pytest.approx(100 * MS, rel=1e-3)


def test_after_fading_a_new_phase_takes_over_within_a_few_edges() -> None:
    line = EdgeLine([(k, k * 100 * MS, MS) for k in range(50)], 100 * MS)
    line.fade()
    for k in range(50, 56):
        line.add(k, k * 100 * MS + 43 * MS, MS)
    assert line.predict(57) == pytest.approx(5743 * MS, abs=12 * MS)


def test_a_day_of_edges_loses_no_precision() -> None:
    line = EdgeLine([], 100 * MS)
    for k in range(0, 864_000, 7):
        line.add(k, 1e18 + k * 100.0003 * MS, MS)
    assert line.predict(864_010) == pytest.approx(1e18 + 864_010 * 100.0003 * MS, abs=2000)
