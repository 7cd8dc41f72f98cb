from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.sensors.calibration_fit import fit_grid, fit_ramp, step_shares


@given(
    period=st.floats(0.015, 0.12), first=st.floats(0, 1), jitter=st.floats(0, 0.03), missing=st.floats(0, 0.3)
)
@settings(max_examples=40, deadline=None)
def test_period_phase_and_jitter_of_a_grid_are_found(
    period: float, first: float, jitter: float, missing: float
) -> None:
    rng = np.random.default_rng(0)
    edges = first + np.arange(400) * period + rng.normal(0, jitter * period, 400)
    edges = edges[rng.random(400) >= missing]
    since = np.floor(edges / 0.002) * 0.002
    found = fit_grid(since, since + 0.002)
    assert found is not None
    assert found[0] == pytest.approx(period, rel=2e-3)
    phase = (found[1] - first + period / 2) % period - period / 2
    assert abs(phase) < 0.1 * period + 0.001
    assert found[2] == pytest.approx(jitter * period, abs=0.0015)


def test_too_few_changes_tell_no_grid() -> None:
    assert fit_grid(np.arange(5.0), np.arange(5.0) + 0.1) is None


@given(window=st.floats(0.1, 1.0), lag=st.floats(0, 0.5), noise=st.floats(0, 0.02))
@settings(max_examples=20, deadline=None)
def test_lag_and_window_of_a_ramp_are_found(window: float, lag: float, noise: float) -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(-0.25, 2.5, 300)
    share = np.clip((x - lag) / window, 0, 1) + rng.normal(0, noise, len(x))
    found = fit_ramp(x, share, 1.0)
    assert found is not None
    assert found[0] == pytest.approx(lag, abs=0.04)
    assert found[1] == pytest.approx(window, abs=0.06)


def test_single_odd_readings_do_not_decide() -> None:
    rng = np.random.default_rng(2)
    x = rng.uniform(-0.25, 2.5, 300)
    share = np.clip((x - 0.1) / 0.25, 0, 1)
    share[::20] = rng.uniform(-1, 2, 15)
    found = fit_ramp(x, share, 1.0)
    assert found is not None
    assert found == pytest.approx((0.1, 0.25), abs=0.03)


def test_steps_that_all_miss_the_window_do_not_tell_it() -> None:
    x = np.array([-0.1, 0.0, 0.5, 1.0] * 20)
    assert fit_ramp(x, (x > 0.1).astype(float), 1.0) is None


def test_shares_are_of_the_step_between_what_stood_before_and_what_stood_at_its_end() -> None:
    edges = np.arange(0, 10, 0.1)
    values = np.where((edges > 3.05) & (edges <= 5.0), 300.0, 100.0)
    values[31] = 150.0  # a quarter of the way, at 3.1 s
    x, share = step_shares(edges, values, np.array([3.05]), np.array([5.0]), 0.3)
    assert share[np.argmin(np.abs(x - 0.05))] == pytest.approx(0.25)
    assert share[np.argmin(np.abs(x - 0.15))] == pytest.approx(1.0)
    assert share[np.argmin(np.abs(x + 0.05))] == pytest.approx(0.0)


def test_steps_without_a_rise_are_left_out() -> None:
    edges = np.arange(0, 10, 0.1)
    values = np.where((edges > 3) & (edges < 5), 300.0, 100.0)
    x, _ = step_shares(edges, values, np.array([3.0, 7.0]), np.array([5.0, 9.0]), 0.3)
    alone, _ = step_shares(edges, values, np.array([3.0]), np.array([5.0]), 0.3)
    assert len(x) == len(alone) > 0
