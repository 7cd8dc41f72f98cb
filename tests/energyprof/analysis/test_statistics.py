from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.analysis.detectability import runs_needed
from energyprof.analysis.statistics import (
    Design,
    Estimate,
    Scale,
    between_noise,
    holm_levels,
    one_sample_log,
    one_sample_mean,
    paired_difference,
    paired_log_ratio,
    sample_deviation,
    welch_difference,
    welch_log_ratio,
)

positive = st.floats(1e-6, 1e9)
samples = st.lists(positive, min_size=2, max_size=12)


def noisy(rng: np.random.Generator, n: int, mean: float = 100.0, cv: float = 0.03) -> list[float]:
    return list(mean * np.exp(rng.normal(0, cv, n)))


@pytest.mark.parametrize(("n_base", "n_head"), [(2, 2), (3, 3), (3, 8), (20, 5)])
def test_welch_agrees_with_scipy(n_base: int, n_head: int) -> None:
    rng = np.random.default_rng(n_base * 100 + n_head)
    base, head = noisy(rng, n_base), noisy(rng, n_head, 107, 0.05)
    ours = welch_log_ratio(base, head, 0.9)
    theirs = scipy.stats.ttest_ind(np.log(head), np.log(base), equal_var=False)
    interval = theirs.confidence_interval(0.9)
    assert ours.df == pytest.approx(theirs.df)
    assert (ours.low, ours.high) == pytest.approx((math.exp(interval.low), math.exp(interval.high)))
    assert ours.ratio == pytest.approx(scipy.stats.gmean(head) / scipy.stats.gmean(base))
    one_sided = scipy.stats.ttest_ind(np.log(head), np.log(base), equal_var=False, alternative="greater")
    assert ours.p_above(1.0) == pytest.approx(one_sided.pvalue)
    assert ours.p_below(1.0) == pytest.approx(1 - one_sided.pvalue)


@pytest.mark.parametrize("n", [2, 3, 8, 20])
def test_the_paired_interval_agrees_with_scipy(n: int) -> None:
    rng = np.random.default_rng(n)
    base, head = noisy(rng, n), noisy(rng, n, 104)
    ours = paired_log_ratio(base, head, 0.95)
    interval = scipy.stats.ttest_rel(np.log(head), np.log(base)).confidence_interval(0.95)
    assert (ours.low, ours.high) == pytest.approx((math.exp(interval.low), math.exp(interval.high)))
    assert (ours.design, ours.scale, ours.n) == (Design.PAIRED, Scale.RATIO, f"{n} against {n}")


def test_accuracies_are_compared_as_differences() -> None:
    base, head = [0.95, 0.96, 0.955], [0.94, 0.945, 0.95]
    welch, paired = welch_difference(base, head), paired_difference(base, head)
    assert welch.value == pytest.approx(-0.01)
    assert welch.high == pytest.approx(
        scipy.stats.ttest_ind(head, base, equal_var=False).confidence_interval(0.95).high
    )
    assert paired.low == pytest.approx(scipy.stats.ttest_rel(head, base).confidence_interval(0.95).low)


def test_one_sample_estimates_agree_with_scipy() -> None:
    values = noisy(np.random.default_rng(1), 6)
    logs = scipy.stats.ttest_1samp(np.log(values), 0).confidence_interval(0.9)
    plain = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert one_sample_log(values, 0.9).high == pytest.approx(math.exp(logs.high))
    assert one_sample_mean(values, 0.9).low == pytest.approx(plain.low)
    assert one_sample_log(values, 0.9).n == "6"


def coverage(estimate: Callable[[list[float], list[float]], Estimate], n: int, runs: int) -> float:
    rng = np.random.default_rng(n)
    hits = 0
    for _ in range(runs):
        found = estimate(noisy(rng, n), noisy(rng, n, 103))
        hits += found.low <= 1.03 <= found.high
    return hits / runs


@pytest.mark.parametrize("n", [3, 5, 8, 20])
def test_a_paired_95_percent_interval_covers_the_truth_in_94_to_96_percent(n: int) -> None:
    assert 0.94 <= coverage(paired_log_ratio, n, 4000) <= 0.96


@pytest.mark.parametrize("n", [4, 5, 8, 20])
def test_a_welch_95_percent_interval_covers_the_truth_in_94_to_96_percent(n: int) -> None:
    assert 0.94 <= coverage(welch_log_ratio, n, 4000) <= 0.965  # 4 runs: 95.9 %, and 0.3 points of chance


def exact_coverage(n: int, ratio: float) -> float:
    """Integrate the coverage of our 95 % interval; scipy gives the distributions.

    Whatever share of the squared standard error comes from one side, the standardised difference is Student's
    t with 2 n - 2 degrees of freedom; see ``benchmarks/interval_coverage.py``.
    """
    points, weights = np.polynomial.legendre.leggauss(60)
    share = scipy.stats.beta.ppf((points + 1) / 2, (n - 1) / 2, (n - 1) / 2)
    large = ratio**2 / (1 + ratio**2)
    parts = np.stack([large * share, (1 - large) * (1 - share)])
    sides = [[[-math.sqrt(part), *[0.0] * (n - 2), math.sqrt(part)] for part in pair] for pair in parts.T]
    found = [welch_difference(*pair) for pair in sides]
    critical = np.array([(f.high - f.value) / f.standard_error for f in found])
    held = 2 * scipy.stats.t.cdf(critical * np.sqrt(2 * parts.sum(axis=0)), 2 * n - 2) - 1
    return float(weights @ held / 2)


@pytest.mark.parametrize("n", range(4, 21))
def test_welch_intervals_cover_94_to_96_percent_however_unlike_the_spreads(n: int) -> None:
    assert all(0.944 <= exact_coverage(n, ratio) <= 0.96 for ratio in (1, 1.5, 2, 3, 5, 30))


def test_with_3_runs_a_side_welch_is_careful_where_both_sides_spread_alike() -> None:
    # Why no other rule takes its place stands in the docstring of energyprof.analysis.statistics.
    assert exact_coverage(3, 1) == pytest.approx(0.9649, abs=2e-4)
    assert all(0.94 <= exact_coverage(3, ratio) <= 0.96 for ratio in (1.75, 2, 3, 4, 5, 6, 10, 30))
    assert coverage(welch_log_ratio, 3, 4000) == pytest.approx(0.9649, abs=0.009)  # three standard errors


@given(samples, samples, st.floats(0.001, 0.4))
@settings(max_examples=150, deadline=None)
def test_swapping_the_sides_inverts_the_ratio_and_its_bounds(
    base: list[float], head: list[float], alpha: float
) -> None:
    there, back = welch_log_ratio(base, head), welch_log_ratio(head, base)
    assert there.ratio == pytest.approx(1 / back.ratio)
    assert there.lower(alpha) == pytest.approx(1 / back.upper(alpha), rel=1e-6)


@given(samples, samples, positive)
@settings(max_examples=150, deadline=None)
def test_a_bound_and_its_p_value_say_the_same(base: list[float], head: list[float], limit: float) -> None:
    found = welch_log_ratio(base, head)
    assert found.lower(0.5 - 1e-12) <= found.ratio * (1 + 1e-9)
    if abs(math.log(found.lower(0.05) or 1e-300) - math.log(limit)) > 1e-6:
        assert (found.lower(0.05) > limit) == (found.p_above(limit) < 0.05)


@given(samples, samples, st.floats(1e-3, 1e3))
@settings(max_examples=100, deadline=None)
def test_the_unit_does_not_matter(base: list[float], head: list[float], factor: float) -> None:
    plain = welch_log_ratio(base, head)
    scaled = welch_log_ratio([factor * v for v in base], [factor * v for v in head])
    assert scaled.ratio == pytest.approx(plain.ratio, rel=1e-9)
    assert scaled.standard_error == pytest.approx(plain.standard_error, abs=1e-6)


def test_equal_values_give_an_interval_of_no_width() -> None:
    found = welch_log_ratio([5.0, 5.0, 5.0], [6.0, 6.0, 6.0])
    assert found.low == found.ratio == found.high == pytest.approx(1.2)
    assert (found.p_above(1.1), found.p_above(1.3)) == (0.0, 1.0)


def test_noise_between_sittings_widens_the_interval_and_more_runs_do_not_help() -> None:
    base, head = [100.0, 101, 99, 100], [103.0, 102, 104, 103]
    plain = welch_log_ratio(base, head)
    known = welch_log_ratio(base, head, between_sigma=0.02)
    estimated = welch_log_ratio(base, head, between_sigma=0.02, between_df=3)
    assert plain.high < known.high < estimated.high
    assert known.standard_error**2 == pytest.approx(plain.standard_error**2 + 2 * 0.02**2)
    assert runs_needed(0.01, 0.05, between_sigma=0.03) is None
    assert runs_needed(0.02, 0.05) == 3
    assert runs_needed(0.02, 0.05, between_sigma=0.02) == 14


@pytest.mark.parametrize(
    "values", [[1.0, 0.0], [1.0, -2.0], [1.0, math.inf], [1.0, math.nan], [1.0], []], ids=str
)
def test_values_that_have_no_logarithm_or_no_spread_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="values"):
        one_sample_log(values)


def test_pairs_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="not 2 and 3"):
        paired_log_ratio([1, 2], [1, 2, 3])


@given(st.lists(st.floats(0, 1), max_size=8), st.floats(0.001, 0.2))
@settings(max_examples=200, deadline=None)
def test_holm_levels_reject_what_the_step_down_procedure_rejects(p: list[float], alpha: float) -> None:
    rejected: set[int] = set()
    for rank, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        if p[index] >= alpha / (len(p) - rank):
            break
        rejected.add(index)
    levels = holm_levels(p, alpha)
    assert {i for i in range(len(p)) if p[i] < levels[i]} == rejected


def test_noise_is_split_into_within_and_between_sittings() -> None:
    rng = np.random.default_rng(3)
    sittings = [noisy(rng, 10, 100 * math.exp(rng.normal(0, 0.05)), 0.01) for _ in range(200)]
    found = between_noise(sittings)
    assert found.within == pytest.approx(0.01, rel=0.05)
    assert found.between == pytest.approx(0.05, rel=0.15)
    assert found.between_df == 199


def test_noise_between_sittings_is_not_known_from_two() -> None:
    assert between_noise([[100.0, 101.0], [103.0, 104.0]]).between is None
    assert between_noise([[100.0], [101.0], [102.0]]).within is None
    assert between_noise([[100.0, 110.0], [101.0, 109.0], [102.0, 108.0]]).between == 0.0


def test_the_sample_deviation_is_scipys() -> None:
    values = noisy(np.random.default_rng(2), 7)
    assert sample_deviation(values) == pytest.approx(float(np.std(values, ddof=1)))


def test_equal_figures_under_a_known_noise_have_an_interval_of_that_noise() -> None:
    found = welch_log_ratio([2.0] * 5, [2.4] * 3, between_sigma=0.003)
    assert (found.value, found.df) == (pytest.approx(1.2), math.inf)
    assert found.upper(0.05) == pytest.approx(1.2 * math.exp(1.6449 * 0.003 * math.sqrt(2)), rel=1e-5)
    assert welch_log_ratio([2.0] * 5, [2.4] * 3).df == 6
