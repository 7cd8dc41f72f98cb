from __future__ import annotations

import math

import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.analysis.student_t import t_cdf, t_quantile, t_tail

DEGREES = [1, 1.3, 2, 2.5, 3, 4.7, 10, 30, 200, 5e3, 9e5, 2e6, 1e9]


@pytest.mark.parametrize("df", DEGREES)
@pytest.mark.parametrize("p", [1e-12, 1e-6, 1e-4, 0.0025, 0.025, 0.05, 0.2, 0.49, 0.7, 0.95, 0.9999])
def test_the_quantile_agrees_with_scipy(df: float, p: float) -> None:
    assert t_quantile(p, df) == pytest.approx(scipy.stats.t.ppf(p, df), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("df", DEGREES)
@pytest.mark.parametrize("t", [0, 0.1, 1, 3, 8, -2])
def test_the_tail_agrees_with_scipy(df: float, t: float) -> None:
    assert t_tail(t, df) == pytest.approx(scipy.stats.t.sf(t, df), rel=1e-9)
    assert t_cdf(t, df) == pytest.approx(scipy.stats.t.cdf(t, df), rel=1e-9)


def test_infinite_degrees_of_freedom_give_the_normal_distribution() -> None:
    assert t_quantile(0.975, math.inf) == pytest.approx(scipy.stats.norm.ppf(0.975), rel=1e-12)
    assert t_tail(1.3, math.inf) == pytest.approx(scipy.stats.norm.sf(1.3), rel=1e-12)
    assert t_tail(math.inf, 3) == 0


@given(st.floats(1e-10, 1 - 1e-10), st.floats(1, 1e8))
@settings(max_examples=200, deadline=None)
def test_the_quantile_inverts_the_cumulative_probability(p: float, df: float) -> None:
    assert t_cdf(t_quantile(p, df), df) == pytest.approx(p, rel=1e-7)


@pytest.mark.parametrize(("p", "df"), [(0, 3), (1, 3), (-0.1, 3), (math.nan, 3), (0.3, 0), (0.3, -1)])
def test_impossible_arguments_are_refused(p: float, df: float) -> None:
    with pytest.raises(ValueError, match="must"):
        t_quantile(p, df)
