import numpy as np
import pytest

from energyprof.analysis.domains import energy_curve
from energyprof.analysis.epochs import epochs, logged_values, samples_seen
from energyprof.analysis.windows import step_windows
from energyprof.record.model import Provenance


@pytest.fixture
def run(sim):
    truth = sim.Truth(np.array([0.0, 1.0, 3.0]), np.array([40.0, 300.0, 100.0]), 6.0)
    trace = sim.trace(window_s=(1, 5), channels=[sim.counter(truth)], duration_s=6)
    curve = energy_curve("gpu:0", trace, [sim.sensor()])
    spans = [(1.0, 0), (1.5, 1), (0.5, 0), (1.5, 1), (0.5, 0)]
    marks = sim.in_phases(spans, ["x", "train"], [-1, 0, -1, 1, -1])
    return curve, step_windows(marks), (1_000_000_000, 5_000_000_000)


LOGGED = (
    (1.0, 0, "batch_samples", 64),
    (1.0, 0, "epoch_begin/train", 0),
    (2.4, 1, "train_loss", 0.9),
    (2.5, 1, "train_loss", 0.8),
    (2.9, 1, "validation_accuracy", 0.5),
    (2.9, 1, "goodness", 3.0),
    (3.0, 1, "epoch_end/train", 0),
    (3.0, 1, "epoch_begin/train", 1),
    (4.5, 2, "train_loss", float("nan")),
    (4.9, 2, "validation_loss", 0.7),
    (5.0, 2, "samples", 120),
    (5.0, 2, "epoch_end/train", 1),
)


def test_epochs_hold_what_was_logged_between_their_marks(sim, run):
    curve, steps, window = run
    first, second = epochs(sim.metrics(*LOGGED), {"gpu:0": curve}, steps, window)
    assert (first.index, first.stage, first.start_s, first.end_s) == (0, "train", 0.0, 2.0)
    assert (first.train_loss, first.validation_accuracy, first.metrics) == (0.8, 0.5, {"goodness": 3.0})
    assert (first.samples, second.samples) == (64, 120)
    assert (first.train_s, second.train_s) == pytest.approx((1.5, 1.5))
    assert second.train_loss is None
    assert second.validation_loss == 0.7


def test_epochs_have_their_energy_and_the_energy_until_then(sim, run):
    curve, steps, window = run
    first, second = epochs(sim.metrics(*LOGGED), {"gpu:0": curve, "cpu": None}, steps, window)
    assert first.energy_j.value == pytest.approx(600, rel=0.02)
    assert first.energy_j.low <= 600 <= first.energy_j.high
    assert first.energy_j.source is Provenance.COUNTER
    assert second.cumulative_energy_j == pytest.approx(800, rel=0.02)
    assert first.energy_j.value + second.energy_j.value == pytest.approx(second.cumulative_energy_j)


def test_epochs_of_stages_that_overlap_are_told_apart_by_stage(sim, run):
    curve, steps, window = run
    logged = sim.metrics(
        (1.0, 0, "epoch_begin/layer1", 0),
        (2.0, 1, "epoch_begin/layer2", 0),
        (3.0, 1, "epoch_end/layer1", 0),
        (4.0, 2, "epoch_end/layer2", 0),
    )
    found = epochs(logged, {"gpu:0": curve}, steps, window)
    assert [(e.stage, e.start_s, e.end_s) for e in found] == [("layer1", 0.0, 2.0), ("layer2", 1.0, 3.0)]


def test_an_epoch_that_did_not_end_is_left_out(sim, run):
    curve, steps, window = run
    logged = sim.metrics((1.0, 0, "epoch_begin/train", 0), (2.0, 0, "epoch_end/other", 0))
    assert epochs(logged, {"gpu:0": curve}, steps, window) == ()


def test_without_steps_and_sensors_epochs_have_times_and_metrics(sim, run):
    none = step_windows(sim.in_phases([(6.0, 0)], ["x"]))
    first = epochs(sim.metrics(*LOGGED), {}, none, run[2])[0]
    assert first.train_s is None
    assert first.energy_j.source is Provenance.MISSING
    assert first.cumulative_energy_j is None
    assert first.train_loss == 0.8


def test_the_values_of_a_metric_are_its_finite_ones(sim):
    found = logged_values(sim.metrics(*LOGGED))
    assert set(found) == {"train_loss", "validation_accuracy", "goodness", "validation_loss"}
    assert found["train_loss"].tolist() == [0.9, 0.8]


def test_the_samples_of_a_run_count_to_its_last_step(sim):
    assert samples_seen(sim.metrics(*LOGGED), 3) == 120 + 64
    assert samples_seen(sim.metrics(), 3) is None
