import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.analysis.bounds import envelope, observed_range, within_range
from energyprof.analysis.edge_times import EdgeTimes
from energyprof.analysis.refreshes import PowerRange, Refreshes

LIMITS = PowerRange(floor_w=20.0, ceiling_w=400.0)


def refreshes(since, until, low, energy=None, high=None):
    since, until = np.array(since, float), np.array(until, float)
    low = np.array(low, float)
    return Refreshes(
        since_s=since,
        until_s=until,
        at=EdgeTimes(at_s=0.5 * (since + until), deviation_s=np.zeros(len(since))),
        low_j=low,
        energy_j=low if energy is None else np.array(energy, float),
        high_j=low if high is None else np.array(high, float),
        slack_j=np.zeros(len(since)),
        gap=np.zeros(len(low), bool),
    )


def test_between_two_exact_refreshes_bounds_are_the_parallelogram_of_the_power_range():
    found = envelope(refreshes([0, 1], [0, 1], [200]), np.array([200.0]), LIMITS, (-1, 2))
    at = np.array([-1.0, 0.0, 0.25, 0.5, 1.0, 2.0])
    assert found.high.at(at) == pytest.approx([-20, 0, 100, 190, 200, 600])
    assert found.low.at(at) == pytest.approx([-400, 0, 5, 10, 200, 220])


@given(seed=st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_envelopes_hold_for_the_steepest_and_the_flattest_power(seed):
    rng = np.random.default_rng(seed)
    ends = np.cumsum(rng.uniform(0.05, 0.2, 20))
    watts = rng.choice([20.0, 400.0, 200.0], 200)
    grid = np.linspace(0, ends[-1], 201)
    energy = np.concatenate([[0], np.cumsum(np.diff(grid) * watts)])
    at = np.interp(ends, grid, energy)
    width = rng.uniform(0, 0.02, 20)
    early = rng.uniform(0, 1, 20) * width
    nodes = refreshes(ends - early, ends + width - early, np.diff(at))
    found = envelope(nodes, nodes.low_j, LIMITS, (0.0, ends[-1]))
    truth = energy - at[0]
    assert (found.low.at(grid) <= truth + 1e-9).all()
    assert (truth <= found.high.at(grid) + 1e-9).all()


def test_a_neighbour_tightens_a_refresh_that_was_polled_late():
    late = refreshes([0.0, 0.1, 0.3], [0.0, 0.3, 0.3], [20.0, 20.0])
    found = envelope(late, late.low_j, LIMITS, (0.0, 0.4))
    # Energy 20 J was reached somewhere in [0.1, 0.3]; at 0.1 s at most 20, though at 0.3 s it is 40.
    assert found.high.at(np.array([0.1]))[0] == pytest.approx(20)
    assert found.low.at(np.array([0.3]))[0] == pytest.approx(40)


def test_increments_beyond_the_range_widen_it_by_a_fifth_more():
    assert observed_range(refreshes([0, 1], [0, 1], [200]), LIMITS) == LIMITS
    assert observed_range(refreshes([0, 1], [0, 1], [500]), LIMITS).ceiling_w == pytest.approx(600)
    assert observed_range(refreshes([0, 1], [0, 1], [10]), LIMITS).floor_w == pytest.approx(8)
    bracketed = refreshes([0.0, 1.0], [0.3, 1.3], [500])
    assert observed_range(bracketed, LIMITS) == LIMITS  # it may have taken 1.3 s


def test_ranges_of_increments_promise_no_more_than_power_allows():
    found = within_range(refreshes([0, 1], [0, 1], [0], [100], [9000]), LIMITS)
    assert (found.low_j[0], found.high_j[0]) == (20, 400)
    beyond = within_range(refreshes([0, 1], [0, 1], [0], [500], [9000]), LIMITS)
    assert beyond.high_j[0] == 500
