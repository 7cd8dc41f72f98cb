"""The loop: phases, epochs, stopping, checkpoints, failures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import energyprof
from energyprof.errors import TrainingFailed, UsageError
from learners.base import Batch, Metrics, Stage, silent_phase
from learners.training.loop import train
from learners.training.meter import NullMeter
from learners.training.outcome import EpochOutcome
from learners.training.protocol import Protocol
from learners.training.stage_plan import plan_stages
from learners.training.task import ImageTask

Fixture = Any  # classes that conftest hands out


def test_a_single_stage_is_the_phase_train_and_the_rest_lies_outside_of_it(
    tiny_task: ImageTask, linear_softmax: Fixture, meter: Fixture
) -> None:
    train(linear_softmax(16, 3), tiny_task, Protocol.fixed(2), meter)
    assert meter.phases() == [
        "plan",
        "train/data",
        "train",
        "train/forward",
        "train/local-update",
        "evaluate",
    ]


def test_each_stage_of_several_is_a_phase_of_its_own(
    counter: Fixture, scripted_task: Fixture, meter: Fixture
) -> None:
    train(counter(("layer1", None), ("layer2", None)), scripted_task(), Protocol.fixed(1), meter)
    first = ["plan", "layer1/data", "layer1", "evaluate", "layer1/closing"]
    assert meter.phases() == [*first, "layer2/data", "layer2", "layer2/closing"]


def test_a_learner_names_its_phases_alike_in_one_stage_and_in_several(
    tiny_task: ImageTask, linear_softmax: Fixture, meter: Fixture
) -> None:
    class TwoStages(linear_softmax):  # type: ignore[misc]
        def stages(self) -> Iterator[Stage]:
            for name in ("layer1", "layer2"):
                yield Stage(name=name, step=partial(self.learn, name))

        def learn(self, name: str, batch: Batch) -> Metrics:
            with self.phase(f"{name}/forward"):
                return {"loss": torch.ones(())}

    train(TwoStages(16, 3), tiny_task, Protocol.fixed(1), meter)
    assert {"layer1/forward", "layer2/forward"} <= set(meter.phases())
    assert not [name for name in meter.phases() if "layer1/layer1" in name or "layer2/layer2" in name]


def test_a_figure_with_a_value_a_layer_is_logged_by_layer_as_the_mean_of_the_epoch(
    tiny_task: ImageTask, linear_softmax: Fixture, meter: Fixture
) -> None:
    class TwoLayers(linear_softmax):  # type: ignore[misc]
        steps = 0

        def step(self, batch: Batch) -> Metrics:
            self.steps += 1
            return {"loss": torch.ones(()), "local_loss": torch.tensor([float(self.steps), 2.0])}

    train(TwoLayers(16, 3), tiny_task, Protocol.fixed(1), meter)
    assert meter.logged("layer1/local_loss") == [(tiny_task.steps_per_pass + 1) / 2]
    assert meter.logged("layer2/local_loss") == [2.0]
    assert not meter.logged("train_local_loss")


def test_a_plan_made_before_is_used_and_not_made_again(
    counter: Fixture, scripted_task: Fixture, meter: Fixture
) -> None:
    learner = counter(("layer1", None), ("layer2", 2))
    outcome = train(learner, scripted_task(), Protocol.fixed(1), meter, plan=plan_stages(learner))
    assert [stage.epochs for stage in outcome.stages] == [1, 2]
    assert "plan" not in meter.phases()


def test_steps_tell_their_samples(tiny_task: ImageTask, linear_softmax: Fixture, meter: Fixture) -> None:
    outcome = train(linear_softmax(16, 3), tiny_task, Protocol.fixed(2), meter)
    steps = [event for event in meter.events if event[0] == "step"]
    assert steps == [("step", "train", 10)] * 14
    assert (outcome.steps, outcome.passes, outcome.samples) == (14, 2, 140)


def test_what_belongs_to_an_epoch_is_logged_within_it(
    tiny_task: ImageTask, linear_softmax: Fixture, meter: Fixture
) -> None:
    train(linear_softmax(16, 3), tiny_task, Protocol.fixed(1), meter)
    order = [event[0] if event[0] != "log" else set(event[1]) for event in meter.events]
    order = [event for event in order if event not in ("step", "phase")]
    assert order == [
        "epoch",
        {"train_loss", "train_size"},
        {"validation_loss", "validation_accuracy"},
        "epoch ended",
        {"train_accuracy", "validation_loss", "validation_accuracy", "test_loss", "test_accuracy"},
    ]
    assert meter.logged("train_size") == [10.0]


def test_it_learns(tiny_task: ImageTask, linear_softmax: Fixture, meter: Fixture) -> None:
    outcome = train(linear_softmax(16, 3), tiny_task, Protocol.fixed(20), meter)
    assert outcome.test.accuracy > 0.9
    losses = meter.logged("train_loss")
    assert losses[-1] < losses[0] / 2
    assert meter.logged("test_accuracy") == [outcome.test.accuracy]


def test_the_learner_is_told_of_each_epoch(tiny_task: ImageTask, linear_softmax: Fixture) -> None:
    learner = linear_softmax(16, 3)
    train(learner, tiny_task, Protocol.fixed(3), NullMeter())
    assert learner.epochs_seen == [(0, 3), (1, 3), (2, 3)]


def test_training_stops_when_patience_is_exhausted(counter: Fixture, scripted_task: Fixture) -> None:
    task = scripted_task([5.0, 4.0, 4.5, 4.2, 1.0])
    outcome = train(counter(), task, Protocol.convergence(patience=2), NullMeter())
    (stage,) = outcome.stages
    assert (stage.epochs, stage.best_epoch, stage.ended_by) == (4, 1, "patience")


def test_the_best_weights_are_restored_before_the_closing_act_and_the_final_evaluation(
    counter: Fixture, scripted_task: Fixture, meter: Fixture
) -> None:
    learner, task = counter(), scripted_task([5.0, 4.0, 4.5, 4.2])
    train(learner, task, Protocol.convergence(patience=2), meter)
    assert learner.closed == [("train", 4.0)]  # two steps an epoch: the end of the second epoch
    assert float(learner.weight) == 4.0
    assert task.evaluated[-3:] == [("train", 4.0), ("validation", 4.0), ("test", 4.0)]
    assert "checkpoint" in meter.phases()


def test_a_fixed_number_of_epochs_keeps_the_last_weights_and_makes_no_checkpoint(
    counter: Fixture, scripted_task: Fixture, meter: Fixture
) -> None:
    learner = counter()
    train(learner, scripted_task([1.0, 2.0, 3.0]), Protocol.fixed(3), meter)
    assert float(learner.weight) == 6.0
    assert "checkpoint" not in meter.phases()


SURER = {"losses": [0.5, 0.4, 0.6, 0.8, 0.9, 1.0], "accuracies": [0.6, 0.7, 0.8, 0.9, 0.9, 0.8]}
"""Of a net that grows surer of its mistakes: the loss rises from its second epoch on, accuracy still does."""


@pytest.mark.parametrize(("watch", "epochs", "best"), [("loss", 4, 1), ("accuracy", 6, 3)])
def test_each_figure_that_is_watched_stops_and_restores_by_itself(
    counter: Fixture, scripted_task: Fixture, watch: Any, epochs: int, best: int
) -> None:
    learner, task = counter(), scripted_task(**SURER)
    outcome = train(learner, task, Protocol.convergence(patience=2, watch=watch), NullMeter())
    (stage,) = outcome.stages
    assert (stage.epochs, stage.best_epoch, stage.ended_by) == (epochs, best, "patience")
    assert float(learner.weight) == 2.0 * (best + 1)  # two steps an epoch


def test_the_least_improvement_goes_by_accuracy_too(counter: Fixture, scripted_task: Fixture) -> None:
    protocol = Protocol.convergence(patience=2, min_delta=0.15, watch="accuracy")
    outcome = train(counter(), scripted_task(**SURER), protocol, NullMeter())
    assert (outcome.stages[0].epochs, outcome.stages[0].best_epoch) == (5, 2)


def test_each_stage_has_a_best_accuracy_of_its_own(counter: Fixture, scripted_task: Fixture) -> None:
    learner = counter(("layer1", None), ("layer2", None))
    task = scripted_task(accuracies=[0.9, 0.8, 0.3, 0.4, 0.4])
    outcome = train(learner, task, Protocol.convergence(patience=1, watch="accuracy"), NullMeter())
    assert [(s.name, s.epochs, s.best_epoch) for s in outcome.stages] == [("layer1", 2, 0), ("layer2", 3, 1)]
    assert learner.closed == [("layer1", 2.0), ("layer2", 6.0)]


def test_the_loss_must_be_finite_whatever_is_watched(counter: Fixture, scripted_task: Fixture) -> None:
    task = scripted_task(losses=[1.0, math.inf], accuracies=[0.5, 0.6])
    with pytest.raises(TrainingFailed, match="validation loss is inf in epoch 2"):
        train(counter(), task, Protocol.convergence(watch="accuracy"), NullMeter())


def test_convergence_ends_at_the_cap(counter: Fixture, scripted_task: Fixture) -> None:
    task = scripted_task([5.0, 4.0, 3.0])
    outcome = train(counter(), task, Protocol.convergence(patience=2, cap=3), NullMeter())
    assert (outcome.stages[0].epochs, outcome.stages[0].ended_by) == (3, "budget")


def test_each_stage_has_patience_and_best_weights_of_its_own(
    counter: Fixture, scripted_task: Fixture
) -> None:
    learner = counter(("layer1", None), ("layer2", None))
    task = scripted_task([1.0, 2.0, 7.0, 6.0, 8.0])
    outcome = train(learner, task, Protocol.convergence(patience=1), NullMeter())
    assert [(s.name, s.epochs, s.best_epoch) for s in outcome.stages] == [("layer1", 2, 0), ("layer2", 3, 1)]
    assert learner.closed == [("layer1", 2.0), ("layer2", 6.0)]  # 2, then 2 + 2 epochs of two steps


def test_a_stage_that_demands_its_epochs_gets_them_and_is_not_stopped(
    counter: Fixture, scripted_task: Fixture, meter: Fixture
) -> None:
    learner = counter(("statistics", 3), ("predictor", None))
    outcome = train(
        learner, scripted_task([1.0, 2.0, 3.0, 4.0, 5.0]), Protocol.convergence(patience=1), meter
    )
    assert [s.epochs for s in outcome.stages] == [3, 2]
    assert learner.closed[0] == ("statistics", 6.0)


def test_matched_passes_are_divided_over_the_stages(counter: Fixture, scripted_task: Fixture) -> None:
    learner, task = counter(("a", None), ("b", 1), ("c", None)), scripted_task()
    outcome = train(learner, task, Protocol.matched(6), NullMeter())
    assert [s.epochs for s in outcome.stages] == [3, 1, 2]
    assert outcome.passes == 6
    assert task.passes == [0, 1, 2, 3, 4, 5]


def test_too_few_passes_for_the_stages_is_an_error_before_training(
    counter: Fixture, scripted_task: Fixture
) -> None:
    task = scripted_task()
    with pytest.raises(UsageError, match="--passes 1 cannot be divided over 2 stages: give at least 2"):
        train(counter(("a", None), ("b", None)), task, Protocol.matched(1), NullMeter())
    assert task.passes == []


def test_evaluation_has_the_same_cadence_for_all_and_never_misses_the_last_epoch(
    counter: Fixture, scripted_task: Fixture, meter: Fixture
) -> None:
    task, learner = scripted_task(), counter(("layer1", None), ("layer2", None))
    train(learner, task, Protocol.fixed(5, evaluate_every=2), meter)
    *epochs, _train, _validation, _test = [steps // 2 for _part, steps in task.evaluated]
    assert epochs == [2, 4, 5, 5 + 2, 5 + 4, 5 + 5]  # by the steps that had been done, two an epoch
    assert len(meter.logged("train_loss")) == 10


def test_a_loss_that_is_not_finite_ends_training_with_its_epoch_and_step(
    counter: Fixture, scripted_task: Fixture, meter: Fixture
) -> None:
    learner = counter()
    learner.losses = lambda done: math.nan if done == 3 else 1.0
    with pytest.raises(
        TrainingFailed, match="training loss is nan in epoch 2 of stage 'train', by step 2"
    ) as error:
        train(learner, scripted_task(), Protocol.fixed(5), meter)
    assert "\n" not in str(error.value)
    assert [math.isnan(value) for value in meter.logged("train_loss")] == [False, True]
    assert learner.phase is silent_phase


def test_within_a_long_epoch_it_is_noticed_after_at_most_200_steps(
    counter: Fixture, scripted_task: Fixture
) -> None:
    learner = counter()
    learner.losses = lambda done: math.inf if done == 30 else 1.0
    with pytest.raises(TrainingFailed, match="is inf in epoch 1 of stage 'train', by step 200"):
        train(learner, scripted_task(steps_per_pass=1000), Protocol.fixed(1), NullMeter())
    assert float(learner.weight) == 200


def test_a_validation_loss_that_is_not_finite_ends_training(counter: Fixture, scripted_task: Fixture) -> None:
    with pytest.raises(TrainingFailed, match="validation loss is nan in epoch 2"):
        train(counter(), scripted_task([1.0, math.nan]), Protocol.fixed(3), NullMeter())


def test_an_interruption_passes_through_and_leaves_the_learner_without_a_meter(
    counter: Fixture, scripted_task: Fixture, meter: Fixture
) -> None:
    learner = counter()

    def interrupt(_: float) -> float:
        raise KeyboardInterrupt

    learner.losses = interrupt
    with pytest.raises(KeyboardInterrupt):
        train(learner, scripted_task(), Protocol.fixed(3), meter)
    assert learner.phase is silent_phase
    assert meter.open_phases == []


def weights_after(task: ImageTask, learner: Any) -> torch.Tensor:
    train(learner, task, Protocol.fixed(3), NullMeter())
    return learner.weight.detach()


def test_the_same_seed_gives_the_same_bits_whatever_else_is_drawn(
    tiny_dataset: Any, linear_softmax: Fixture
) -> None:
    torch.manual_seed(1)
    first = weights_after(ImageTask(tiny_dataset, batch_size=10, seed=3), linear_softmax(16, 3))
    torch.manual_seed(2)
    again = weights_after(ImageTask(tiny_dataset, batch_size=10, seed=3), linear_softmax(16, 3))
    other = weights_after(ImageTask(tiny_dataset, batch_size=10, seed=4), linear_softmax(16, 3))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_measuring_does_not_change_what_is_learned(
    tiny_dataset: Any, linear_softmax: Fixture, meter: Fixture
) -> None:
    learner = linear_softmax(16, 3)
    train(learner, ImageTask(tiny_dataset, batch_size=10, seed=3), Protocol.fixed(3), meter)
    alone = weights_after(ImageTask(tiny_dataset, batch_size=10, seed=3), linear_softmax(16, 3))
    assert torch.equal(learner.weight, alone)


class Notes:
    """A listener that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def training_began(
        self, stages: tuple[tuple[str, int], ...], steps_per_epoch: int, epochs_before: int = 0
    ) -> None:
        self.told.append((stages, steps_per_epoch, epochs_before))

    def epoch_began(self, stage: str, epoch: int) -> None:
        self.told.append((stage, epoch))

    def step_ended(self, step: int) -> None:
        self.told.append(step)

    def epoch_ended(self, epoch: EpochOutcome) -> None:
        self.told.append((epoch.train_loss, epoch.best))

    def evaluation_began(self, part: str) -> None:
        self.told.append(part)


class Reads(TorchDispatchMode):
    """Counts the values that are read from tensors: each is a wait for the device."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func.overloadpacket.__name__ == "_local_scalar_dense"
        return func(*args, **(kwargs or {}))


def test_how_often_the_device_is_waited_for_does_not_depend_on_the_number_of_steps(
    tiny_dataset: Any, linear_softmax: Fixture
) -> None:
    counts = []
    for batch_size in (35, 2):  # 2 steps, and 35
        with Reads() as reads:
            task = ImageTask(tiny_dataset, batch_size=batch_size)
            train(linear_softmax(16, 3), task, Protocol.fixed(1), NullMeter())
        counts.append(reads.count)
    assert counts[0] == counts[1] > 0


def test_a_listener_is_told_everything_in_order(counter: Fixture, scripted_task: Fixture) -> None:
    notes = Notes()
    learner = counter(("a", None), ("b", 1))
    train(learner, scripted_task([1.0, 1.0]), Protocol.fixed(1), NullMeter(), notes)
    assert notes.told == [
        ((("a", 1), ("b", 1)), 2, 0),
        *(("a", 0), 1, 2, "validation", (1.0, True)),
        *(("b", 0), 1, 2, "validation", (1.0, True)),
        *("train", "validation", "test"),
    ]


def test_the_profiler_itself_is_a_meter(tiny_task: ImageTask, linear_softmax: Fixture, tmp_path: Any) -> None:
    with energyprof.Profiler("loop", out=tmp_path, sensors=(), html=False) as profiler:
        outcome = train(linear_softmax(16, 3), tiny_task, Protocol.fixed(2), profiler)
    report = profiler.run.report
    assert report.totals.steps == outcome.steps == 14
    assert report.totals.samples == outcome.samples
    assert {"train/data", "train/forward", "train/local-update", "evaluate"} <= {
        p.name for p in report.phases
    }
    assert [epoch.stage for epoch in report.epochs] == ["train", "train"]
    assert report.quality.test_accuracy == pytest.approx(outcome.test.accuracy)
