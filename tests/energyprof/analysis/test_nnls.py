import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from energyprof.analysis.nnls import non_negative_least_squares


@given(seed=st.integers(0, 10_000), columns=st.integers(1, 12), scale=st.sampled_from([1e-4, 1.0, 1e4]))
@settings(max_examples=80, deadline=None)
def test_it_agrees_with_scipy(seed, columns, scale):
    rng = np.random.default_rng(seed)
    matrix = scale * rng.uniform(0, 1, (40, columns))
    wanted = rng.normal(0, 50, columns)
    energy = matrix @ wanted + scale * rng.normal(0, 5, 40)
    found = non_negative_least_squares(matrix.T @ matrix, matrix.T @ energy)
    assert found == pytest.approx(nnls(matrix, energy)[0], rel=1e-5, abs=1e-4)


def test_a_solution_without_negatives_is_the_plain_one():
    matrix = np.random.default_rng(0).uniform(0, 1, (50, 4))
    wanted = np.array([70.0, 220.0, 330.0, 180.0])
    assert non_negative_least_squares(matrix.T @ matrix, matrix.T @ (matrix @ wanted)) == pytest.approx(
        wanted
    )


def test_where_everything_wants_to_be_negative_everything_is_zero():
    assert non_negative_least_squares(np.eye(3), np.array([-1.0, -2.0, 0.0])).tolist() == [0.0, 0.0, 0.0]


def test_nothing_gives_nothing():
    assert non_negative_least_squares(np.empty((0, 0)), np.empty(0)).shape == (0,)
