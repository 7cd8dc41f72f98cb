from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.analysis.student_t import t_quantile
from energyprof.gate.budget import Limit, LimitKind, Policies
from energyprof.gate.judgement import (
    Samples,
    compare_sides,
    decide_relative,
    judge_exact_limit,
    judge_exact_relative,
    judge_limit,
)
from energyprof.gate.metric import METRICS, Reading
from energyprof.gate.sides import Arrangement
from energyprof.gate.verdict import Outcome

ENERGY, ACCURACY = METRICS["energy_j"], METRICS["test_accuracy"]
MARGIN = Limit(kind=LimitKind.MAX_INCREASE, value=0.05, text="5%")


def outcome_of(
    base: np.ndarray,
    head: np.ndarray,
    arrangement: Arrangement = Arrangement.INTERLEAVED,
    alpha: float = 0.05,
) -> Outcome:
    estimate = compare_sides(ENERGY, Samples(base=list(base), head=list(head), arrangement=arrangement))
    assert estimate is not None
    return decide_relative(ENERGY, MARGIN, estimate, alpha, alpha, 0.0).outcome


def rates(cv: float, n: int, factor: float, runs: int, seed: int = 0) -> dict[Outcome, float]:
    rng = np.random.default_rng(seed)
    found = [
        outcome_of(np.exp(rng.normal(0, cv, n)), factor * np.exp(rng.normal(0, cv, n))) for _ in range(runs)
    ]
    return {outcome: found.count(outcome) / runs for outcome in Outcome}


# The table of the design note: CV, runs a side, share that passes unchanged, share of +10 % that fails.
TABLE = [(0.01, 3, 0.996, 0.994), (0.02, 5, 0.964, 0.95), (0.05, 8, 0.58, None)]


@pytest.mark.parametrize(("cv", "n", "passes", "fails"), TABLE)
def test_unchanged_code_and_a_regression_are_told_apart_as_simulated(
    cv: float, n: int, passes: float, fails: float | None
) -> None:
    unchanged = rates(cv, n, 1.0, 1500)
    assert unchanged[Outcome.FAIL] <= 0.01
    assert unchanged[Outcome.PASS] == pytest.approx(passes, abs=0.03)
    if fails is not None:
        assert rates(cv, n, 1.1, 1500, seed=1)[Outcome.FAIL] == pytest.approx(fails, abs=0.03)


@pytest.mark.parametrize("cv", [0.01, 0.02, 0.03, 0.05])
@pytest.mark.parametrize("n", [3, 5, 8])
def test_unchanged_code_hardly_ever_fails(cv: float, n: int) -> None:
    assert rates(cv, n, 1.0, 700, seed=2)[Outcome.FAIL] <= 0.01


def looks_error(arrangement: Arrangement, runs: int, seed: int) -> float:
    """Return how often code that is just at the margin fails under looks at 3, 5, 8 runs a side."""
    level = Policies().look_alpha(one_sample=arrangement is Arrangement.PAIRED)
    rng, failed = np.random.default_rng(seed), 0
    for _ in range(runs):
        base, head = np.exp(rng.normal(0, 0.03, 8)), 1.05 * np.exp(rng.normal(0, 0.03, 8))
        outcomes = (outcome_of(base[:n], head[:n], arrangement, level) for n in (3, 5, 8))
        failed += next((o for o in outcomes if o is not Outcome.INCONCLUSIVE), None) is Outcome.FAIL
    return failed / runs


@pytest.mark.parametrize("arrangement", [Arrangement.INTERLEAVED, Arrangement.PAIRED])
def test_three_looks_keep_the_error_at_the_margin(arrangement: Arrangement) -> None:
    # 3,000 runs have a standard error of 0.4 points; the full figure stands in benchmarks/gate_power.py.
    assert looks_error(arrangement, 3000, 3) == pytest.approx(0.05, abs=0.009)


@pytest.mark.parametrize(("share", "expected"), [(0.42, 0.0496), (0.5, 0.0581)])
def test_looks_at_pairs_need_less_than_half_the_level(share: float, expected: float) -> None:
    rng, runs = np.random.default_rng(2), 100_000
    differences = rng.normal(0, 1, (runs, 8))
    open_, failed = np.ones(runs, bool), 0
    for n in (3, 5, 8):
        seen = differences[:, :n]
        t = seen.mean(axis=1) / seen.std(axis=1, ddof=1) * math.sqrt(n)
        beyond = -t_quantile(0.05 * share, n - 1)
        failed += int((open_ & (t > beyond)).sum())
        open_ &= abs(t) <= beyond
    assert failed / runs == pytest.approx(expected, abs=0.0025)


def ramp_rates(order: str, runs: int) -> float:
    """Return how often unchanged code under a 4 % thermal ramp looks dearer than itself (no margin)."""
    rng, flagged = np.random.default_rng(4), 0
    for _ in range(runs):
        drift = np.linspace(0, 0.04, len(order))
        values = np.exp(drift + rng.normal(0, 0.01, len(order)))
        sides = {side: [v for v, s in zip(values, order, strict=True) if s == side] for side in "AB"}
        paired = order.startswith("AB")
        arrangement = Arrangement.PAIRED if paired else Arrangement.INTERLEAVED
        found = compare_sides(ENERGY, Samples(base=sides["A"], head=sides["B"], arrangement=arrangement))
        assert found is not None
        flagged += found.lower(0.05) > 1
    return flagged / runs


def test_interleaving_saves_unchanged_code_from_a_thermal_ramp() -> None:
    assert ramp_rates("AAAAABBBBB", 1500) == pytest.approx(0.86, abs=0.03)
    assert ramp_rates("ABBAABBAAB", 2000) <= 0.06


def reading(value: float, low: float | None = None, high: float | None = None) -> Reading:
    return Reading(value=value, low=low, high=high)


def limit(kind: str, value: float) -> Limit:
    return Limit(kind=LimitKind(kind), value=value, text=str(value))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (100 / 1.1, "pass"),
        (91.0, "inconclusive"),
        (100.0, "inconclusive"),
        (109.9, "inconclusive"),
        (110.1, "fail"),
    ],
)
def test_a_single_run_is_judged_by_a_guard_band(value: float, expected: str) -> None:
    found = judge_limit(ENERGY, limit("max", 100), [reading(value)], 0.05, 0.1)
    assert found.outcome == expected


def test_the_bounds_of_the_sensor_widen_a_single_run() -> None:
    sharp = judge_limit(ENERGY, limit("max", 100), [reading(90, 89.5, 90.5)], 0.05, 0.1)
    blunt = judge_limit(ENERGY, limit("max", 100), [reading(90, 80, 100)], 0.05, 0.1)
    broken = judge_limit(ENERGY, limit("max", 100), [reading(115, 105, 125)], 0.05, 0.1)
    assert (sharp.outcome, blunt.outcome, broken.outcome) == ("pass", "inconclusive", "inconclusive")


def test_two_runs_on_either_side_of_the_limit_decide_nothing() -> None:
    found = judge_limit(ENERGY, limit("max", 100), [reading(60), reading(150)], 0.05, 0.1)
    assert (found.outcome, found.runs_needed) == ("inconclusive", 3)


def test_the_guard_band_of_an_accuracy_is_a_share_of_its_error() -> None:
    guard = limit("min", 0.95)
    outcomes = [
        judge_limit(ACCURACY, guard, [reading(v)], 0.05, 0.1).outcome for v in (0.956, 0.951, 0.946, 0.944)
    ]
    assert outcomes == ["pass", "inconclusive", "inconclusive", "fail"]
    assert judge_limit(ACCURACY, limit("min", 1.0), [reading(1.0)], 0.05, 0.1).outcome == "pass"


def test_from_three_runs_on_the_interval_of_the_mean_decides() -> None:
    near = [reading(v) for v in (98, 99, 100)]
    over = [reading(v) for v in (104, 105, 106)]
    under = [reading(v) for v in (90, 91, 92)]
    outcomes = [
        judge_limit(ENERGY, limit("max", 100), side, 0.05, 0.1).outcome for side in (under, near, over)
    ]
    assert outcomes == ["pass", "inconclusive", "fail"]
    outcomes = [
        judge_limit(ENERGY, limit("min", 100), side, 0.05, 0.1).outcome for side in (under, near, over)
    ]
    assert outcomes == ["fail", "inconclusive", "pass"]


def test_a_run_that_never_reaches_the_target_breaks_any_upper_limit() -> None:
    found = judge_limit(ENERGY, limit("max", 100), [reading(50), reading(math.inf), reading(50)], 0.05, 0.1)
    assert found.outcome == "fail"


def test_deterministic_limits_are_exact() -> None:
    assert judge_exact_limit(limit("max", 100), [100, 99]).outcome == "pass"
    assert judge_exact_limit(limit("max", 100), [100.0000001]).outcome == "fail"
    assert judge_exact_limit(limit("min", 100), [99]).outcome == "fail"


def test_deterministic_figures_are_compared_seed_by_seed() -> None:
    grow = limit("max_increase", 0.0)
    base = {0: {1000.0}, 1: {1200.0}}
    assert judge_exact_relative(grow, base, {1: {1200.0}}).outcome == "pass"
    assert judge_exact_relative(grow, base, {0: {1001.0}, 1: {1100.0}}).outcome == "fail"
    better = judge_exact_relative(grow, base, {0: {900.0}})
    assert (better.outcome, better.improved) == ("pass", True)
    assert judge_exact_relative(grow, {None: {5.0}}, {3: {5.0}}).outcome == "pass"
    assert judge_exact_relative(grow, base, {7: {1000.0}}).outcome == "invalid"
    assert judge_exact_relative(grow, base, {0: {1000.0, 1001.0}}).outcome == "invalid"


@pytest.mark.parametrize(
    ("head", "outcome", "improved"),
    [
        ([0.970, 0.9702, 0.9701], "pass", False),
        ([0.960, 0.9602, 0.9601], "fail", False),
        ([0.980, 0.9802, 0.9801], "pass", True),
        ([0.965, 0.9652, 0.9651], "inconclusive", False),
    ],
)
def test_accuracies_are_compared_in_percentage_points(
    head: list[float], outcome: str, improved: bool
) -> None:
    samples = Samples(base=[0.97, 0.9702, 0.9701], head=head, arrangement=Arrangement.SEPARATE)
    estimate = compare_sides(ACCURACY, samples)
    assert estimate is not None
    drop = Limit(kind=LimitKind.MAX_DECREASE, value=0.5, text="0.5 pp")
    found = decide_relative(ACCURACY, drop, estimate, 0.05, 0.05, 0.0)
    assert (found.outcome, found.improved) == (outcome, improved)


def test_an_improvement_beyond_the_margin_is_said() -> None:
    base, better, hardly = [100, 101, 99], [80, 81, 79], [98, 99, 97]
    for head, expected in ((better, True), (hardly, False)):
        estimate = compare_sides(ENERGY, Samples(base=base, head=head, arrangement=Arrangement.INTERLEAVED))
        assert estimate is not None
        assert decide_relative(ENERGY, MARGIN, estimate, 0.05, 0.05, 0.0).improved is expected


@given(
    st.lists(st.floats(0.1, 1e6), min_size=1, max_size=6),
    st.floats(0.1, 1e6),
    st.floats(0.0, 0.5),
)
@settings(max_examples=200, deadline=None)
def test_raising_an_upper_limit_never_turns_a_pass_into_a_failure(
    values: list[float], bound: float, band: float
) -> None:
    rank = {"fail": 0, "inconclusive": 1, "pass": 2}
    readings = [reading(v) for v in values]
    tight = judge_limit(ENERGY, limit("max", bound), readings, 0.05, band)
    loose = judge_limit(ENERGY, limit("max", bound * 1.5), readings, 0.05, band)
    assert rank[loose.outcome] >= rank[tight.outcome]
    if min(values) > bound * (1 + band):
        assert tight.outcome != "pass"


@given(st.lists(st.floats(1, 1e6), min_size=3, max_size=8), st.floats(1.3, 10))
@settings(max_examples=100, deadline=None)
def test_no_comparison_passes_whose_estimate_lies_beyond_the_margin(base: list[float], factor: float) -> None:
    head = [factor * value for value in base]
    assert outcome_of(np.array(base), np.array(head)) is not Outcome.PASS
