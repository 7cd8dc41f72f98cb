import numpy as np
import pytest

from energyprof.analysis.attribution import attribute, window_quantity
from energyprof.analysis.phase_energy import phase_figures

FOUR = [("data", 0.008, 70), ("forward", 0.018, 220), ("backward", 0.026, 330), ("optimizer", 0.008, 180)]


def figures_of(sim, phases, count, seed=0, **schedule):
    rng = np.random.default_rng(seed)
    truth, marks = sim.schedule(rng, phases, count, open_s=1.0, **schedule)
    watch = sim.Watch(phase_s=float(rng.uniform(0, 0.1)), seed=seed, wobble_s=0.0003)
    trace = sim.trace(marks, [sim.counter(truth, watch)], duration_s=truth.end_s)
    domain = attribute(trace, [sim.sensor()]).known["gpu:0"]
    ends = np.append(domain.segments.start_ns, domain.segments.end_ns) * 1e-9
    true = np.bincount(domain.segments.phase, np.diff(truth.energy_j(ends)), len(domain.segments.phases))
    return domain, phase_figures(domain), true


def test_bounds_of_phases_contain_the_truth_and_values_add_up(sim):
    for seed in range(5):
        domain, found, true = figures_of(sim, FOUR, 300, seed, jitter=0.2, extra_w=10.0)
        bounded = found.bounded
        assert (bounded.low <= true + 1e-6).all()
        assert (true <= bounded.high + 1e-6).all()
        whole = window_quantity(domain.curve, (int(domain.segments.start_ns[0]), domain.segments.end_ns))
        assert bounded.value.sum() == pytest.approx(whole.value, rel=1e-12)
        assert found.modelled.value.sum() == pytest.approx(whole.value, rel=1e-12)


def test_the_model_tells_phases_apart_where_time_shares_cannot(sim):
    _, found, true = figures_of(sim, FOUR, 1000, jitter=0.1, extra_w=5.0)
    off = np.abs(found.modelled.value[:4] / true[:4] - 1)
    assert off.max() < 0.1
    assert np.abs(found.bounded.value[:4] / true[:4] - 1).max() > 0.3
    assert (found.modelled.low <= found.modelled.value).all()
    assert (found.bounded.low <= found.modelled.low + 1e-9).all()


def test_phases_longer_than_the_refresh_are_bounded_tightly(sim):
    _, found, true = figures_of(sim, [("train", 2.0, 300), ("evaluate", 1.0, 150)], 6)
    width = (found.bounded.high - found.bounded.low)[:2]
    assert (width / true[:2] < 0.2).all()  # twelve edges of at most 15 J


def test_joint_bounds_are_tighter_than_those_of_the_occurrences_one_by_one(sim):
    domain, found, true = figures_of(sim, [("long", 0.09, 300), ("short", 0.01, 60)], 300, jitter=0.1)
    stays = domain.curve.energy_between(domain.segments.start_ns[::2], domain.segments.start_ns[1::2])
    one_by_one = stays.high.sum() - stays.low.sum()
    assert found.bounded.high[0] - found.bounded.low[0] < 0.9 * one_by_one
    assert found.bounded.low[0] <= true[0] <= found.bounded.high[0]


def test_a_single_phase_is_bounded_as_the_window(sim):
    domain, found, _ = figures_of(sim, [("train", 0.05, 300)], 100, jitter=0.1)
    whole = window_quantity(domain.curve, (int(domain.segments.start_ns[0]), domain.segments.end_ns))
    assert found.bounded.low[0] == pytest.approx(whole.low, rel=1e-9)
    assert found.bounded.high[0] == pytest.approx(whole.high, rel=1e-9)


def test_no_phase_is_modelled_beyond_its_bounds(sim):
    for seed in range(10):
        phases = [("flat out", 0.02, 399), ("also", 0.03, 398), ("less", 0.004, 60)]
        _, found, _ = figures_of(sim, phases, 60, seed, jitter=0.2, extra_w=0.5)
        assert (found.modelled.value <= found.bounded.high + 1e-9).all()
        assert (found.modelled.value >= found.bounded.low - 1e-9).all()
        assert found.modelled.value.sum() == pytest.approx(found.bounded.value.sum(), rel=1e-12)
