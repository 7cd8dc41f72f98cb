"""Steps against the truth: bounded figures that hold, modelled ones that resolve what the sensor cannot."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.analysis.attribution import attribute, quantity, total_quantity, window_quantity
from energyprof.record.model import Provenance, Quantity

TWO = [("train", 0.035, 350), ("train/wait", 0.015, 80)]
FOUR = [("data", 0.008, 70), ("forward", 0.018, 220), ("backward", 0.026, 330), ("optimizer", 0.008, 180)]


def steps_of(sim, phases, count, seed=0, watch=None, channels="counter", **schedule):
    rng = np.random.default_rng(seed)
    truth, marks = sim.schedule(rng, phases, count, open_s=1.0, **schedule)
    watch = watch or sim.Watch(phase_s=float(rng.uniform(0, 0.1)), seed=seed, wobble_s=0.0003)
    source = Provenance.COUNTER if channels == "counter" else Provenance.SAMPLED
    read = [sim.counter(truth, watch)] if channels == "counter" else [sim.power(truth, watch)]
    trace = sim.trace(marks, read, duration_s=truth.end_s)
    found = attribute(trace, [sim.sensor(source=source, window_s=watch.window_s)]).known["gpu:0"]
    bounded, modelled = found.step_figures(slice(0, len(found.steps)))
    true = truth.between(found.steps.start_ns * 1e-9, found.steps.end_ns * 1e-9)
    return found, bounded, modelled, true


def relative_error(value, true):
    return np.sqrt(np.mean((value - true) ** 2)) / true.mean()


@pytest.mark.parametrize("jitter", [0.0, 0.02, 0.1, 0.3])
def test_50_ms_steps_are_resolved_by_a_100_ms_counter(sim, jitter):
    found, bounded, modelled, true = steps_of(sim, TWO, 200, jitter=jitter, extra_w=5.0)
    assert relative_error(modelled.value, true) < 0.03
    assert (modelled.value > 0).all()
    assert (bounded.value > 0).all()
    assert modelled.value.sum() == pytest.approx(bounded.value.sum(), rel=1e-9)
    assert bounded.value.sum() == pytest.approx(true.sum(), rel=0.003)
    assert len(found.models) == 1


def test_steps_of_differing_work_are_told_apart_far_below_the_refresh(sim):
    _, bounded, modelled, true = steps_of(sim, [("a", 0.012, 330), ("b", 0.009, 60)], 800, jitter=0.5)
    assert relative_error(modelled.value, true) < 0.4 * relative_error(bounded.value, true)


def test_bounds_contain_every_step_and_intervals_95_percent(sim):
    hits = []
    for seed in range(6):
        _, bounded, modelled, true = steps_of(sim, FOUR, 400, seed, jitter=0.15, extra_w=8.0)
        assert ((bounded.low <= true + 1e-5) & (true <= bounded.high + 1e-5)).all()
        assert ((bounded.low <= modelled.low + 1e-12) | (modelled.low == modelled.value)).all()
        hits.extend((modelled.low <= true) & (true <= modelled.high))
    assert 0.90 <= np.mean(hits) <= 0.99


def test_without_a_counter_the_marks_fill_in_what_the_sensor_does_not_see(sim):
    watch = sim.Watch(phase_s=0.031, window_s=0.025, wobble_s=0.0003)
    _, bounded, modelled, true = steps_of(sim, TWO, 400, 1, watch, "power", jitter=0.1, extra_w=5.0)
    assert bounded.value.sum() == pytest.approx(true.sum(), rel=0.01)
    assert relative_error(modelled.value, true) < 0.05
    assert ((bounded.low <= true + 1e-5) & (true <= bounded.high + 1e-5)).all()


@given(seed=st.integers(0, 1000), count=st.integers(1, 60), length=st.floats(0.001, 0.3))
@settings(max_examples=30, deadline=None)
def test_steps_add_up_to_the_window_that_they_fill(sim, seed, count, length):
    phases = [("a", length, 300), ("b", length / 3, 90)]
    found, bounded, modelled, _ = steps_of(sim, phases, count, seed, jitter=0.2)
    whole = window_quantity(found.curve, (int(found.segments.start_ns[0]), found.segments.end_ns))
    assert bounded.value.sum() == pytest.approx(whole.value, rel=1e-9)
    assert modelled.value.sum() == pytest.approx(whole.value, rel=1e-9)
    assert bounded.low.sum() <= whole.value + 1e-9 <= bounded.high.sum() + 2e-9


def test_steps_apart_from_one_another_are_attributed_one_by_one(sim):
    truth = sim.random_truth(np.random.default_rng(0), 10.0)
    numbers = [k // 2 if k % 2 == 0 else -1 for k in range(40)]
    marks = sim.in_phases([(0.25, 0), (0.25, 1)] * 20, ["step", "pause"], numbers)
    trace = sim.trace(marks, [sim.counter(truth)])
    found = attribute(trace, [sim.sensor()]).known["gpu:0"]
    bounded, modelled = found.step_figures(slice(0, 20))
    true = truth.between(np.arange(20) * 0.5, np.arange(20) * 0.5 + 0.25)
    assert bounded.value == pytest.approx(true, rel=0.25)
    assert modelled.value == pytest.approx(true, rel=0.4)
    assert modelled.value.sum() == pytest.approx(true.sum(), rel=0.05)


def test_a_gpu_is_split_at_its_own_times(sim):
    truth = sim.Truth(np.array([0.0, 5.0]), np.array([300.0, 100.0]), 10.0)
    host = sim.in_phases([(3.0, 0), (7.0, 1)], ["a", "b"], [0, 1])
    marks = type(host)(
        start_ns=host.start_ns,
        phase=host.phase,
        step=host.step,
        phases=host.phases,
        end_ns=host.end_ns,
        device_start_ns=sim.ns([0.0, 5.0]),
    )
    channels = [sim.counter(truth), sim.counter(truth, domain="cpu", sensor="rapl")]
    sensors = [sim.sensor(), sim.sensor("rapl", ("cpu",))]
    known = attribute(sim.trace(marks, channels), sensors).known
    assert known["gpu:0"].step_figures(slice(0, 2))[0].value == pytest.approx([1500, 500], rel=0.01)
    assert known["cpu"].step_figures(slice(0, 2))[0].value == pytest.approx([900, 1100], rel=0.01)


def test_a_run_too_short_for_a_regression_gives_the_bounded_figure_twice(sim):
    found, bounded, modelled, _ = steps_of(sim, TWO, 6)
    assert found.models == ()
    assert modelled is bounded


def test_a_missing_domain_is_not_in_the_total_and_not_zero():
    parts = {"gpu:0": quantity(10, 9, 11, Provenance.COUNTER), "cpu": Quantity.missing()}
    assert total_quantity(parts) == quantity(10, 9, 11, Provenance.COUNTER)
    assert total_quantity({"cpu": Quantity.missing()}) == Quantity.missing()
    assert total_quantity({}) == Quantity.missing()


def test_a_total_adds_bounds_and_carries_the_worst_provenance():
    gpu, cpu = quantity(10, 9, 11, Provenance.COUNTER), quantity(5, 0, 20, Provenance.ESTIMATED)
    assert total_quantity({"gpu:0": gpu, "cpu": cpu}) == quantity(15, 9, 31, Provenance.ESTIMATED)
