import numpy as np
import pytest

from energyprof.analysis.edge_times import edge_times


def brackets(rng, times, poll_s):
    polls = np.cumsum(poll_s * rng.uniform(0.7, 1.3, int(times[-1] / poll_s * 1.2) + 50)) - poll_s
    k = np.searchsorted(polls, times)
    inside = (k > 0) & (k < len(polls))
    return times[inside], polls[k[inside] - 1], polls[k[inside]]


@pytest.mark.parametrize("wobble_s", [0.0, 0.0003])
def test_a_regular_sensor_tells_its_refreshes_far_better_than_its_polls(wobble_s):
    rng = np.random.default_rng(1)
    times = 0.037 + 0.1 * np.arange(1000) + wobble_s * rng.normal(size=1000)
    truth, since, until = brackets(rng, times, 0.004)
    found = edge_times(since, until)
    error = np.sqrt(np.mean((found.at_s - truth) ** 2))
    middle = np.sqrt(np.mean((0.5 * (since + until) - truth) ** 2))
    assert error < 0.45 * middle
    assert 0.7 * error < np.sqrt(np.mean(found.deviation_s**2)) < 2 * error


def test_an_irregular_sensor_is_left_at_the_middle_of_its_brackets():
    rng = np.random.default_rng(2)
    truth, since, until = brackets(rng, np.cumsum(rng.uniform(0.03, 0.17, 600)), 0.004)
    found = edge_times(since, until)
    moved = np.abs(found.at_s - 0.5 * (since + until))
    assert moved.mean() < 1e-4
    assert moved.max() < 1e-3
    assert len(truth) == len(found.at_s)


def test_times_stay_inside_their_brackets_and_in_order():
    rng = np.random.default_rng(3)
    times = np.cumsum(0.1 + 0.01 * rng.normal(size=400))
    times[200:] += 7.0  # a pause
    _, since, until = brackets(rng, times, 0.02)
    found = edge_times(since, until).at_s
    assert ((found >= since) & (found <= until)).all()
    assert (np.diff(found) >= 0).all()


def test_a_long_record_is_worked_out_in_pieces_that_agree():
    rng = np.random.default_rng(4)
    truth, since, until = brackets(rng, 0.1 * np.arange(9000) + 5.0, 0.004)
    found = edge_times(since, until).at_s
    assert np.abs(found - truth).max() < 0.001


def test_a_few_refreshes_are_taken_as_they_are():
    since, until = np.array([0.0, 0.1, 0.2]), np.array([0.01, 0.11, 0.21])
    found = edge_times(since, until)
    assert found.at_s == pytest.approx([0.005, 0.105, 0.205])
    assert found.deviation_s == pytest.approx(0.01 / np.sqrt(12), rel=1e-3)


def test_refreshes_that_were_left_out_are_counted_by_the_period_of_the_sensor():
    rng = np.random.default_rng(5)
    number = np.cumsum(rng.choice([2, 3, 4], 1500))  # of a fast sensor not every refresh is followed
    truth, since, until = brackets(rng, 0.011 + 0.0207 * number, 0.004)

    def error(refresh_s):
        return np.sqrt(np.mean((edge_times(since, until, refresh_s).at_s - truth) ** 2))

    assert error(0.020) < 0.6 * error(None)
    assert error(0.020) < 0.0004


def test_a_period_that_is_stated_too_long_is_not_believed():
    rng = np.random.default_rng(6)
    _, since, until = brackets(rng, 0.037 + 0.1 * np.arange(600), 0.004)
    stated, seen = edge_times(since, until, 1.0), edge_times(since, until)
    assert (stated.at_s == seen.at_s).all()
