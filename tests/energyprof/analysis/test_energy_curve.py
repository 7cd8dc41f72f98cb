"""Properties of the curve: bounds always hold, energy is conserved, polling does not matter."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.analysis.domains import energy_curve
from energyprof.record.model import Provenance

SEEDS = st.integers(0, 10_000)
SENSORS = {
    "counter": (Provenance.COUNTER, 1.0),
    "counter beside power": (Provenance.COUNTER, 0.25),
    "power that sees all": (Provenance.SAMPLED, 1.0),
    "power that sees half": (Provenance.SAMPLED, 0.5),
    "power that sees a quarter": (Provenance.SAMPLED, 0.25),
    "moving mean": (Provenance.SAMPLED, None),
}


def channels(sim, which, truth, watch, resets=()):
    if which == "counter":
        return [sim.counter(truth, watch, resets_s=resets)]
    if which == "counter beside power":
        return [sim.counter(truth, watch, resets_s=resets), sim.power(truth, watch)]
    if which == "moving mean":
        return [sim.power(truth, watch, kind="average", window_s=1.0)]
    return [sim.power(truth, watch)]


def build(sim, which, truth, watch, resets=()):
    source, share = SENSORS[which]
    watch = replace(watch, window_s=watch.refresh_s * (share or 1.0))
    info = sim.sensor(source=source, refresh_s=watch.refresh_s, window_s=watch.window_s if share else 1.0)
    found = channels(sim, which, truth, watch, resets)
    return energy_curve("gpu:0", sim.trace(window_s=(0, truth.end_s), channels=found), [info])


@pytest.mark.parametrize("which", list(SENSORS))
@given(
    seed=SEEDS,
    refresh_s=st.sampled_from([0.02, 0.1]),
    poll_s=st.sampled_from([0.001, 0.005, 0.03, 0.15]),
    wobble_s=st.sampled_from([0.0, 0.0005]),
    longest_s=st.sampled_from([0.02, 0.1, 1.0]),
    gap=st.booleans(),
    reset=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_bounds_contain_the_truth(sim, which, seed, refresh_s, poll_s, wobble_s, longest_s, gap, reset):
    rng = np.random.default_rng(seed)
    truth = sim.random_truth(rng, end_s=float(rng.uniform(1.5, 6)), longest_s=longest_s)
    watch = sim.Watch(
        refresh_s=refresh_s,
        phase_s=float(rng.uniform(0, refresh_s)),
        poll_s=poll_s,
        wobble_s=wobble_s,
        seed=seed,
        gaps_s=[(0.5, 0.9)] if gap else [],
    )
    curve = build(sim, which, truth, watch, [truth.end_s / 2] if reset else [])
    start = rng.uniform(0, truth.end_s, 200)
    end = np.minimum(start + rng.choice([1e-3, 1e-2, 0.1, 1, 6], 200) * rng.uniform(0, 1, 200), truth.end_s)
    start[0], end[0] = 0.0, truth.end_s
    start_ns, end_ns = sim.ns(start), sim.ns(end)
    found = curve.energy_between(start_ns, end_ns)
    true = truth.between(start_ns * 1e-9, end_ns * 1e-9)
    assert (found.low <= true + 1e-5).all()
    assert (true <= found.high + 1e-5).all()
    assert (found.low <= found.value).all()
    assert (found.value <= found.high).all()


@pytest.mark.parametrize("which", list(SENSORS))
@given(seed=SEEDS, cuts=st.lists(st.floats(0, 5), min_size=1, max_size=20))
@settings(max_examples=10, deadline=None)
def test_energy_is_conserved_however_time_is_cut(sim, which, seed, cuts):
    truth = sim.random_truth(np.random.default_rng(seed), 5.0)
    curve = build(sim, which, truth, sim.Watch(seed=seed))
    ends = sim.ns(np.sort([0.0, *cuts, 5.0]))
    pieces = curve.energy_of_intervals(ends)
    whole = curve.energy_between(ends[:1], ends[-1:])
    assert pieces.value.sum() == pytest.approx(whole.value[0], rel=1e-12)
    one_by_one = curve.energy_between(ends[:-1], ends[1:])
    for name in ("value", "low", "high"):
        assert getattr(pieces, name) == pytest.approx(getattr(one_by_one, name))
    assert pieces.low.sum() <= whole.value[0] + 1e-9 <= pieces.high.sum() + 2e-9


@pytest.mark.parametrize("which", ["counter", "power that sees all", "moving mean"])
@given(seed=SEEDS)
@settings(max_examples=8, deadline=None)
def test_energy_does_not_depend_on_how_often_the_sensor_is_polled(sim, which, seed):
    rng = np.random.default_rng(seed)
    truth = sim.random_truth(rng, 12.0)
    ends = sim.ns([2.0]), sim.ns([10.0])
    found = [
        build(sim, which, truth, sim.Watch(poll_s=poll_s, seed=seed)).energy_between(*ends)
        for poll_s in (0.0005, 0.004, 0.02)
    ]
    true = truth.between(2.0, 10.0)
    for figures in found:
        tolerance = 0.03 if which == "moving mean" else 0.012
        assert figures.value[0] == pytest.approx(true, rel=tolerance)


@pytest.mark.parametrize("which", list(SENSORS))
@pytest.mark.parametrize("window_s", [(0.0, 10.0), (0.02, 9.99), (3.033, 3.041)])
def test_a_steady_load_gives_its_full_energy(sim, which, window_s):
    truth = sim.Truth(np.array([0.0]), np.array([250.0]), 10.0)
    found = build(sim, which, truth, sim.Watch()).energy_between(sim.ns(window_s[:1]), sim.ns(window_s[1:]))
    assert found.value[0] == pytest.approx(250 * (window_s[1] - window_s[0]), rel=0.003)


def test_bounds_inside_one_refresh_interval_are_joint(sim):
    truth = sim.Truth(np.array([0.0]), np.array([200.0]), 2.0)
    watch = sim.Watch(poll_s=1e-5, poll_jitter=0.0)
    curve = build(sim, "counter", truth, watch)
    start, end = 0.513 + 0.02, 0.513 + 0.07  # within the refresh interval from 0.513 to 0.613 s
    found = curve.energy_between(sim.ns([start]), sim.ns([end]))
    assert found.high[0] == pytest.approx(min(400 * 0.05, 20 - 20 * 0.05), abs=0.03)
    assert found.low[0] == pytest.approx(max(20 * 0.05, 20 - 400 * 0.05), abs=0.03)


def test_long_windows_are_known_to_a_fraction_of_a_percent(sim):
    truth = sim.random_truth(np.random.default_rng(5), 60.0)
    found = build(sim, "counter", truth, sim.Watch()).energy_between(sim.ns([1.0]), sim.ns([59.0]))
    assert (found.high[0] - found.low[0]) / found.value[0] < 0.004


def test_a_reading_beyond_the_stated_power_range_widens_its_own_bounds_only(sim):
    truth = sim.Truth(np.array([0.0, 3.0, 3.5]), np.array([200.0, 900.0, 200.0]), 8.0)
    curve = build(sim, "counter", truth, sim.Watch())
    found = curve.energy_between(sim.ns([0.5, 3.0, 4.0]), sim.ns([2.5, 3.5, 7.0]))
    true = truth.between(np.array([0.5, 3.0, 4.0]), np.array([2.5, 3.5, 7.0]))
    assert found.value == pytest.approx(true, rel=0.12)
    assert (found.low <= true).all()
    assert (true <= found.high).all()
    assert found.high[2] - found.low[2] < 40


def test_instant_power_gives_the_shape_between_the_refreshes_of_a_slow_counter(sim):
    truth = sim.Truth(np.array([0.0, 4.3]), np.array([100.0, 300.0]), 8.0)
    slow, fast = sim.Watch(refresh_s=1.0), sim.Watch(refresh_s=0.02, window_s=0.02, poll_s=0.002)
    info = sim.sensor(refresh_s=0.02, window_s=0.02)
    window = sim.ns([4.1]), sim.ns([4.3])
    alone = energy_curve("gpu:0", sim.trace(window_s=(0, 8), channels=[sim.counter(truth, slow)]), [info])
    both = [sim.counter(truth, slow), sim.power(truth, fast)]
    shaped = energy_curve("gpu:0", sim.trace(window_s=(0, 8), channels=both), [info])
    assert shaped.energy_between(*window).value[0] == pytest.approx(20, rel=0.08)
    assert alone.energy_between(*window).value[0] > 30
