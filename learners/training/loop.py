"""The only training loop: epochs, stopping, evaluation and checkpoints of every learner.

In the ledger each stage of a learner is a phase (``train`` where there is only one), with ``<stage>/data``
and the learner's own phases below it, and ``<stage>/cache`` where what frozen layers make of all images is
computed and kept; evaluations and copies of weights are the phases ``evaluate`` and ``checkpoint``, outside
of every stage. Inside a step nothing waits for the device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from energyprof.errors import TrainingFailed
from learners.base import Batch, Learner, PhaseMarker, Stage, silent_phase
from learners.training.checkpoint import BestWeights
from learners.training.execution import Execution
from learners.training.finiteness import CHECK_EVERY, FiniteWatch
from learners.training.listener import Listener, SilentListener
from learners.training.meter import Meter
from learners.training.outcome import EpochOutcome, Outcome, StageOutcome
from learners.training.protocol import Protocol
from learners.training.stage_plan import StagePlan, plan_stages
from learners.training.stopping import Patience
from learners.training.task import Evaluation, Part, Task

__all__ = ["train"]


def train(
    learner: Learner,
    task: Task,
    protocol: Protocol,
    meter: Meter,
    listener: Listener | None = None,
    plan: Sequence[StagePlan] | None = None,
    execution: Execution | None = None,
) -> Outcome:
    """Train a learner and evaluate it.

    Args:
        learner: not trained yet.
        task: makes batches, on the learner's device, and evaluates.
        protocol: how long, and what is kept.
        meter: marks steps and phases; ``energyprof.Profiler``, inside its ``with`` block.
        listener: told how it goes on.
        plan: what :func:`learners.training.stage_plan.plan_stages` said of this learner before the window
            opened; None: it is asked here, in the phase ``plan``.
        execution: in which precision all of it is computed, closing acts and evaluations too; None: fp32.

    Raises:
        TrainingFailed: a loss is NaN or infinite.
        UsageError: a budget that cannot be divided over the learner's stages.
    """
    with (execution or Execution()).computing():
        return _Training(learner, task, protocol, meter, listener or SilentListener()).run(plan)


class _Training:
    """One training, and where it stands."""

    def __init__(
        self, learner: Learner, task: Task, protocol: Protocol, meter: Meter, listener: Listener
    ) -> None:
        self._learner, self._task, self._protocol = learner, task, protocol
        self._meter, self._listener = meter, listener
        self._passes = 0

    def run(self, plan: Sequence[StagePlan] | None) -> Outcome:
        """Train stage by stage, then evaluate."""
        if plan is None:
            with self._meter.phase("plan"):
                plan = plan_stages(self._learner)
        epochs = self._protocol.plan([stage.epochs for stage in plan])
        self._listener.training_began(
            tuple((stage.name, count) for stage, count in zip(plan, epochs, strict=True)),
            self._task.steps_per_pass,
        )
        try:
            return self._finish(tuple(self._stages(epochs)))
        finally:
            self._learner.phase = silent_phase

    def _stages(self, epochs: Sequence[int]) -> Iterator[StageOutcome]:
        """Go through the stages; what a learner does between two of them is the phase ``<stage>/closing``."""
        stages = self._learner.stages()
        stage = next(stages)
        for number, count in enumerate(epochs, 1):
            self._learner.phase = _within(stage.name, self._meter.phase)
            yield self._stage(stage, count)
            with self._meter.phase(f"{stage.name}/closing") if len(epochs) > 1 else nullcontext():
                following = next(stages, None)
            if number < len(epochs):
                assert following is not None, "a learner has as many stages as its copy"
                stage = following

    def _stage(self, stage: Stage, epochs: int) -> StageOutcome:
        """Train one stage; its closing act follows when the next one is asked for."""
        free = stage.epochs is None
        patience = Patience(self._protocol.patience if free else None, self._protocol.min_delta)
        best = BestWeights()
        restore = free and self._protocol.restore_best
        one_pass = self._passes_of(stage)
        done = 0
        for epoch in range(epochs):
            with self._meter.epoch(epoch, stage=stage.name):
                outcome = self._epoch(stage, one_pass(self._passes), epoch, epochs, patience)
                if outcome.best and restore:
                    with self._meter.phase("checkpoint"):
                        best.keep(self._learner)
            self._listener.epoch_ended(outcome)
            done += 1
            if patience.exhausted:
                break
        if restore and patience.best_epoch != done - 1:
            with self._meter.phase("checkpoint"):
                best.restore(self._learner)
        return StageOutcome(
            name=stage.name,
            epochs=done,
            steps=done * self._task.steps_per_pass,
            best_epoch=patience.best_epoch,
            ended_by="patience" if patience.exhausted else "budget",
        )

    def _passes_of(self, stage: Stage) -> Callable[[int], Iterator[Batch]]:
        """Return what makes the batches of a pass: of what frozen layers make of the data, if it is kept."""
        if stage.frozen is None:
            return self._task.one_pass
        with self._meter.phase(f"{stage.name}/cache"):
            return self._task.keep_outputs(stage.frozen)

    def _epoch(
        self, stage: Stage, batches: Iterator[Batch], epoch: int, epochs: int, patience: Patience
    ) -> EpochOutcome:
        self._listener.epoch_began(stage.name, epoch)
        self._learner.on_epoch(epoch, epochs)
        train_loss = self._learn(stage, batches, epoch)
        validation, better = None, False
        if (epoch + 1) % self._protocol.evaluate_every == 0 or epoch + 1 == epochs:
            validation = self._evaluate("validation", stage)
            self._meter.log(validation_loss=validation.loss, validation_accuracy=validation.accuracy)
            if not math.isfinite(validation.loss):
                raise _failure(
                    "validation loss", validation.loss, stage.name, epoch, self._task.steps_per_pass
                )
            better = patience.improves(epoch, validation.loss)
        return EpochOutcome(
            stage=stage.name, index=epoch, train_loss=train_loss, validation=validation, best=better
        )

    def _learn(self, stage: Stage, batches: Iterator[Batch], epoch: int) -> float:
        """Do the steps of one epoch; return the mean loss, read from the device once."""
        totals: dict[str, Tensor] = {}  # sums over the steps, on the device
        watch: FiniteWatch | None = None
        samples, note = self._task.batch_size, self._listener.step_ended
        steps = self._meter.steps(batches, phase=stage.name, samples=samples)
        for step, batch in enumerate(steps, 1):
            for name, value in stage.step(batch).items():
                if name in totals:
                    totals[name].add_(value.detach())
                else:
                    totals[name] = value.detach().to(torch.float64, copy=True)
            if step % CHECK_EVERY == 0:
                watch = watch or FiniteWatch(totals["loss"].device)
                watch.look(totals["loss"])
                if watch.broken:
                    raise self._failed(totals, stage, epoch, step)
            note(step)
        self._passes += 1
        means = {f"train_{name}": float(total) / step for name, total in totals.items()}
        self._meter.log(**means)
        if not math.isfinite(means["train_loss"]):
            raise _failure("training loss", means["train_loss"], stage.name, epoch, step)
        return means["train_loss"]

    def _evaluate(self, part: Part, stage: Stage | None = None) -> Evaluation:
        self._listener.evaluation_began(part)
        with self._meter.phase("evaluate"):
            return self._task.evaluate(self._learner, part, stage.loss if stage is not None else None)

    def _finish(self, stages: tuple[StageOutcome, ...]) -> Outcome:
        """Evaluate the final weights: after restoring the best ones, and after every closing act."""
        train, validation, test = (self._evaluate(part) for part in ("train", "validation", "test"))
        self._meter.log(
            train_accuracy=train.accuracy,
            validation_loss=validation.loss,
            validation_accuracy=validation.accuracy,
            test_loss=test.loss,
            test_accuracy=test.accuracy,
        )
        return Outcome(
            stages=stages,
            train=train,
            validation=validation,
            test=test,
            samples=self._task.batch_size * sum(stage.steps for stage in stages),
        )

    def _failed(self, totals: dict[str, Tensor], stage: Stage, epoch: int, step: int) -> TrainingFailed:
        """Log what is known of an epoch that cannot go on."""
        loss = float(totals["loss"]) / step
        self._meter.log(train_loss=loss)
        return _failure("training loss", loss, stage.name, epoch, step)


def _within(stage: str, phase: PhaseMarker) -> PhaseMarker:
    """Return a marker for a learner inside a stage: its ``layer1/forward`` is ``forward`` in ``layer1``."""
    names: dict[str, str] = {}

    def mark(name: str) -> AbstractContextManager[object]:
        short = names.get(name)
        if short is None:
            short = names[name] = name.removeprefix(f"{stage}/")
        return phase(short)

    return mark


def _failure(what: str, value: float, stage: str, epoch: int, step: int) -> TrainingFailed:
    return TrainingFailed(
        f"the {what} is {value} in epoch {epoch + 1} of stage '{stage}', by step {step}: lower the learning "
        "rate (--set lr=...) or look for values in the data that are not finite"
    )
