"""The regression against schedules whose true power is known."""

import numpy as np
import pytest

from energyprof.analysis.domains import energy_curve
from energyprof.analysis.equations import Intervals, equations
from energyprof.analysis.refreshes import PowerRange
from energyprof.analysis.regression import phase_powers
from energyprof.analysis.sensor_regression import poorly_resolved, sensor_phase_powers
from energyprof.analysis.windows import window_segments
from energyprof.record.model import Provenance

FOUR = [("data", 0.008, 70), ("forward", 0.018, 220), ("backward", 0.026, 330), ("optimizer", 0.008, 180)]
TWO = [("busy", 0.035, 350), ("waiting", 0.015, 80)]


def true_watts(truth, segments):
    ends = np.append(segments.start_ns, segments.end_ns) * 1e-9
    count = len(segments.phases)
    energy = np.bincount(segments.phase, np.diff(truth.energy_j(ends)), count)
    return energy / np.maximum(np.bincount(segments.phase, np.diff(ends), count), 1e-12)


def fit(sim, phases, steps, seed=0, sensor="counter", watch=None, noise_w=0.0, **schedule):
    """Return the regression of a run, the true watts, and which phases occurred."""
    rng = np.random.default_rng(seed)
    truth, marks = sim.schedule(rng, phases, steps, open_s=0.5, **schedule)
    watch = watch or sim.Watch(phase_s=float(rng.uniform(0, 0.1)), seed=seed, wobble_s=0.0003)
    counter, power = sim.counter(truth, watch), sim.power(truth, watch, noise_w=noise_w)
    channels = {"counter": [counter], "both": [counter, power], "power": [power]}[sensor]
    source = Provenance.SAMPLED if sensor == "power" else Provenance.COUNTER
    info = sim.sensor(window_s=watch.window_s, source=source)
    trace = sim.trace(marks, channels, duration_s=truth.end_s)
    curve = energy_curve("gpu:0", trace, [info])
    segments = window_segments(trace)
    return sensor_phase_powers(curve.parts[0], segments), true_watts(truth, segments)[: len(phases)]


def covered(found, true):
    return (found.low_w[: len(true)] <= true) & (true <= found.high_w[: len(true)])


def test_four_phases_in_a_60_ms_step_are_told_apart_by_a_100_ms_counter(sim):
    for seed in range(5):
        found, true = fit(sim, FOUR, 1000, seed, jitter=0.05, extra_w=5.0)
        off = np.abs(found.power_w[:4] / true - 1)
        assert (covered(found, true) | (off < 0.05)).all()
        assert off[1:3].max() < 0.05
        assert not poorly_resolved(found)


def test_intervals_cover_the_truth_in_95_percent_of_phases(sim):
    hits = []
    for seed in range(200):
        rng = np.random.default_rng(10_000 + seed)
        phases = [
            (f"p{k}", float(rng.uniform(0.004, 0.05)), float(rng.uniform(40, 380)))
            for k in range(int(rng.integers(2, 6)))
        ]
        steps = int(20 / sum(length for _, length, _ in phases))
        jitter, drift = float(rng.choice([0.03, 0.1, 0.3])), float(rng.choice([0.0, 0.05]))
        poll_s = float(rng.choice([0.001, 0.002, 0.005]))
        watch = sim.Watch(phase_s=float(rng.uniform(0, 0.1)), seed=seed, wobble_s=0.0003, poll_s=poll_s)
        found, true = fit(sim, phases, steps, seed, watch=watch, jitter=jitter, drift=drift, extra_w=5.0)
        hits.extend(covered(found, true))
    assert 0.92 <= np.mean(hits) <= 0.98


@pytest.mark.parametrize("window_s", [0.025, 0.1])
def test_power_readings_alone_tell_phases_apart_by_their_own_kernel(sim, window_s):
    hits, off = [], []
    for seed in range(20):
        watch = sim.Watch(phase_s=0.031, seed=seed, window_s=window_s)
        found, true = fit(sim, FOUR, 500, seed, "power", watch, noise_w=3.0, jitter=0.1, extra_w=5.0)
        hits.extend(covered(found, true))
        off.extend(np.abs(found.power_w[1:3] / true[1:3] - 1))
    assert np.mean(hits) > 0.88
    assert np.median(off) < 0.02


def test_steps_locked_to_the_refresh_are_said_not_to_be_told_apart(sim):
    found, true = fit(sim, TWO, 200)
    assert found.condition > 100
    assert poorly_resolved(found)
    assert covered(found, true).all()
    assert found.half_width_w[:2].max() > 50


def test_the_short_windows_of_power_readings_resolve_what_a_locked_counter_cannot(sim):
    watch = sim.Watch(phase_s=0.031, wobble_s=0.0003, window_s=0.025)
    alone, _ = fit(sim, TWO, 200, 1, "counter", watch, extra_w=5.0)
    both, true = fit(sim, TWO, 200, 1, "both", watch, extra_w=5.0)
    assert poorly_resolved(alone)
    assert not poorly_resolved(both)
    assert both.half_width_w[:2].max() < alone.half_width_w[:2].max() / 3
    assert both.power_w[:2] == pytest.approx(true, abs=40)


def test_drift_is_told_from_noise_and_narrows_the_interval(sim):
    steady, _ = fit(sim, FOUR, 1500, 3, jitter=0.1, extra_w=5.0)
    drifting, true = fit(sim, FOUR, 1500, 3, jitter=0.1, extra_w=5.0, drift=0.1)
    assert covered(drifting, true).mean() >= 0.75
    assert drifting.half_width_w[:4].mean() < 1.5 * steady.half_width_w[:4].mean()


def test_a_phase_that_never_occurred_is_the_prior(sim):
    found, _ = fit(sim, TWO, 200, jitter=0.2)
    assert found.resolved[2] == 0
    assert found.seconds[2] == 0
    assert found.power_w[2] == pytest.approx(269, rel=0.05)
    assert found.low_w[2] < 60
    assert found.high_w[2] == 400


def test_one_phase_has_the_mean_power(sim):
    found, true = fit(sim, [("train", 0.05, 300)], 200, jitter=0.1)
    assert found.power_w[0] == pytest.approx(true[0], rel=0.001)
    assert found.condition == pytest.approx(1)


def test_no_phase_draws_less_than_the_device_can(sim):
    found, _ = fit(sim, [("a", 0.02, 25), ("b", 0.005, 21), ("c", 0.03, 300)], 300, jitter=0.3, extra_w=20.0)
    assert (found.power_w >= 20).all()
    assert (found.low_w >= 20).all()
    assert (found.high_w <= 400).all()


def test_the_same_run_always_gives_the_same_interval(sim):
    first, _ = fit(sim, FOUR, 100, 5, jitter=0.1)
    again, _ = fit(sim, FOUR, 100, 5, jitter=0.1)
    assert (first.low_w == again.low_w).all()


def test_too_few_equations_give_no_regression(sim):
    assert fit(sim, FOUR, 8)[0] is None


def test_no_interval_inside_the_window_gives_no_equations(sim):
    nothing = np.empty(0)
    intervals = Intervals(
        start_s=nothing, end_s=nothing, energy_j=nothing, start_half_s=nothing, end_half_s=nothing
    )
    assert equations(intervals, sim.in_phases([(1.0, 0)], ["a"])) is None


def test_badly_known_intervals_weigh_less(sim):
    rng = np.random.default_rng(0)
    segments = sim.in_phases([(float(rng.uniform(0.01, 0.09)), k % 2) for k in range(400)], ["a", "b"])
    ends = np.arange(0.0, 19.0, 0.1)
    half = np.full(len(ends) - 1, 0.0005)
    energy = np.diff(ends) * 150.0
    energy[::10] += 20.0  # wrong, and known to be so
    half[::10] = 0.05
    start, end = ends[:-1], ends[1:]
    intervals = Intervals(start_s=start, end_s=end, energy_j=energy, start_half_s=half, end_half_s=half)
    powers = phase_powers(equations(intervals, segments), PowerRange(floor_w=0, ceiling_w=400))
    assert powers.power_w == pytest.approx([150, 150], abs=2)
