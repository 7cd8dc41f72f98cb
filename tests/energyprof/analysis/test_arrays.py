import numpy as np
import pytest

from energyprof.analysis.arrays import distinct, nanoseconds, seconds, sum_by


def test_times_survive_the_way_to_seconds_and_back():
    times = np.array([0, 1, 123_456_789_012_345, -125_000_000], np.int64)
    assert nanoseconds(seconds(times)).tolist() == times.tolist()
    assert seconds(times).dtype == np.float64


def test_sums_by_label_have_a_place_for_labels_that_do_not_occur():
    assert sum_by(np.array([2, 0, 2]), np.array([1.0, 2.0, 3.0]), 4).tolist() == [2, 0, 4, 0]
    assert sum_by(np.empty(0, np.int64), np.empty(0), 2) == pytest.approx([0, 0])


def test_distinct_values_come_in_order():
    assert distinct(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [1, 2, 3]
