"""The only training loop: epochs, stopping, evaluation and checkpoints of every learner.

In the ledger each stage of a learner is a phase (``train`` where there is only one), with ``<stage>/data``
and the learner's own phases below it, and ``<stage>/cache`` where what frozen layers make of all images is
computed and kept; evaluations and copies of weights, in memory and on disk, are the phases ``evaluate`` and
``checkpoint``, outside of every stage. Compiling is the phase ``compile``, and compiled steps have no phases
inside. Inside a step nothing waits for the device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor

from energyprof.errors import TrainingFailed, UsageError
from learners.base import Batch, Learner, PhaseMarker, Stage, silent_phase
from learners.training.checkpoint_writer import CheckpointWriter
from learners.training.compilation import compile_stage
from learners.training.evaluation import Evaluation
from learners.training.execution import Execution
from learners.training.finiteness import CHECK_EVERY, FiniteWatch
from learners.training.frozen_outputs import seen_by
from learners.training.learner_state import restore
from learners.training.listener import Listener, SilentListener
from learners.training.meter import Meter
from learners.training.outcome import EpochOutcome, Outcome, StageOutcome
from learners.training.protocol import Protocol
from learners.training.random_state import restore_generators
from learners.training.stage_plan import StagePlan, plan_stages
from learners.training.stopping import Patience, Watched
from learners.training.task import Part, Task
from learners.training.training_state import TrainingState

__all__ = ["train"]

_PARTS: Final[tuple[Part, ...]] = ("train", "validation", "test")


def train(
    learner: Learner,
    task: Task,
    protocol: Protocol,
    meter: Meter,
    listener: Listener | None = None,
    plan: Sequence[StagePlan] | None = None,
    execution: Execution | None = None,
    *,
    writer: CheckpointWriter | None = None,
    resumed: Mapping[str, Any] | None = None,
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
        execution: in which precision all of it is computed, closing acts and evaluations too, and whether
            steps are compiled; None: fp32, not compiled.
        writer: writes checkpoints as epochs end, and a last one if training is interrupted.
        resumed: a checkpoint's content: training goes on where it was written, in the phase ``resume``.

    Raises:
        TrainingFailed: a loss is NaN or infinite.
        UsageError: a budget that cannot be divided over the learner's stages, or a checkpoint of another
            learner or of a training that watches another figure.
        OutputError: a checkpoint cannot be written.
    """
    with (execution or Execution()).computing():
        training = _Training(
            learner,
            task,
            protocol,
            meter,
            listener or SilentListener(),
            execution or Execution(),
            writer,
            resumed,
        )
        return training.run(plan)


class _Training:
    """One training, and where it stands."""

    def __init__(
        self,
        learner: Learner,
        task: Task,
        protocol: Protocol,
        meter: Meter,
        listener: Listener,
        execution: Execution,
        writer: CheckpointWriter | None,
        resumed: Mapping[str, Any] | None,
    ) -> None:
        self._learner, self._task, self._protocol = learner, task, protocol
        self._meter, self._listener, self._execution = meter, listener, execution
        self._writer, self._resumed = writer, resumed
        self._state = TrainingState() if resumed is None else TrainingState.continued(resumed["training"])
        if resumed is not None:
            _require_same_watched(self._state.patience.watched, protocol.watch)

    def run(self, plan: Sequence[StagePlan] | None) -> Outcome:
        """Train stage by stage, then evaluate."""
        if plan is None:
            with self._meter.phase("plan"):
                plan = plan_stages(self._learner)
        epochs = self._protocol.plan([stage.epochs for stage in plan])
        self._listener.training_began(
            tuple((stage.name, count) for stage, count in zip(plan, epochs, strict=True)),
            self._task.steps_per_pass,
            self._state.passes,
        )
        try:
            self._train(epochs)
            return self._finish(tuple(self._state.finished))
        except (KeyboardInterrupt, SystemExit):
            if self._writer is not None:
                with self._meter.phase("checkpoint"):
                    self._writer.leave_last()
            raise
        finally:
            self._learner.phase = silent_phase

    def _train(self, epochs: Sequence[int]) -> None:
        """Go through the stages; what a learner does between two of them is the phase ``<stage>/closing``."""
        stages = self._learner.stages()
        stage = next(stages) if self._resumed is None else self._resume(stages, self._resumed)
        for number, count in enumerate(epochs[len(self._state.finished) :], len(self._state.finished) + 1):
            self._learner.phase = _within(stage.name, self._meter.phase)
            self._stage(stage, count)
            with self._meter.phase(f"{stage.name}/closing") if len(epochs) > 1 else nullcontext():
                following = next(stages, None)
            if number < len(epochs):
                assert following is not None, "a learner has as many stages as its copy"
                stage = following

    def _resume(self, stages: Iterator[Stage], resumed: Mapping[str, Any]) -> Stage:
        """Bring the learner to the stage, and into the state, that a checkpoint was written in."""
        with self._meter.phase("resume"):
            stage = next(stages)
            for _ in self._state.finished:
                stage = next(stages)
            batch = seen_by(stage.frozen, next(self._task.one_pass(0)))
            restore(self._learner, resumed["learner"], stage.step, batch)
            restore_generators(resumed["random"], batch.x.device)
            self._state.best.move(batch.x.device)
        return stage

    def _stage(self, stage: Stage, epochs: int) -> None:
        """Train one stage; its closing act follows when the next one is asked for."""
        free, state, protocol = stage.epochs is None, self._state, self._protocol
        patience = protocol.patience if free else None
        state.begin(stage.name, Patience(patience, protocol.min_delta, protocol.watch))
        restore_best = free and protocol.restore_best
        one_pass: Callable[[int], Iterator[Batch]] = self._task.one_pass
        validate = self._validation_of(stage)
        if state.goes_on(epochs):
            one_pass = self._passes_of(stage)
            stage = self._compiled(stage, epochs)
        while state.goes_on(epochs):
            epoch = state.epochs
            with self._meter.epoch(epoch, stage=stage.name):
                outcome = self._epoch(stage, one_pass(state.passes), validate, epoch, epochs)
                if outcome.best and restore_best:
                    with self._meter.phase("checkpoint"):
                        state.best.keep(self._learner)
            state.epochs, state.passes = state.epochs + 1, state.passes + 1
            if self._writer is not None:  # no checkpoint stands on an epoch whose end is not in the record
                with self._meter.phase("checkpoint"):
                    self._writer.epoch_ended(self._learner, state)
            self._listener.epoch_ended(outcome)
        if restore_best:  # also the last epoch's: what a learner has under way goes as weights are restored
            with self._meter.phase("checkpoint"):
                state.best.restore(self._learner)
        state.end(self._task.steps_per_pass)

    def _passes_of(self, stage: Stage) -> Callable[[int], Iterator[Batch]]:
        """Return what makes the batches of a pass: of what frozen layers make of the data, if it is kept."""
        if stage.frozen is None:
            return self._task.one_pass
        with self._meter.phase(f"{stage.name}/cache"):
            return self._task.keep_outputs(stage.frozen)

    def _validation_of(self, stage: Stage) -> Callable[[], Evaluation]:
        """Return what a stage's epochs end with; it keeps the frozen layers' outputs if the stage does."""
        if stage.top is None:
            return partial(self._task.evaluate, self._learner, "validation", stage.loss)
        return self._task.evaluation_of(stage.top, "validation", keep=stage.frozen is not None)

    def _compiled(self, stage: Stage, epochs: int) -> Stage:
        """Return a stage with its step compiled, in the phase ``compile``, if steps are to be."""
        if not (self._execution.compiled and stage.compiles):
            return stage
        with self._meter.phase("compile"):
            batch = seen_by(stage.frozen, next(self._task.one_pass(0)))
            begin = partial(self._learner.on_epoch, self._state.epochs, epochs)
            return compile_stage(self._learner, stage, batch, begin, self._execution.device)

    def _epoch(
        self,
        stage: Stage,
        batches: Iterator[Batch],
        validate: Callable[[], Evaluation],
        epoch: int,
        epochs: int,
    ) -> EpochOutcome:
        self._listener.epoch_began(stage.name, epoch)
        self._learner.on_epoch(epoch, epochs)
        train_loss = self._learn(stage, batches, epoch)
        validation, better = None, False
        if (epoch + 1) % self._protocol.evaluate_every == 0 or epoch + 1 == epochs:
            validation = self._evaluate("validation", validate)
            self._meter.log(validation_loss=validation.loss, validation_accuracy=validation.accuracy)
            if not math.isfinite(validation.loss):
                raise _failure(
                    "validation loss", validation.loss, stage.name, epoch, self._task.steps_per_pass
                )
            watched = validation.loss if self._protocol.watch == "loss" else validation.accuracy
            better = self._state.patience.improves(epoch, watched)
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
        means = _logged({name: (total / step).tolist() for name, total in totals.items()})
        self._meter.log(**means)
        if not math.isfinite(means["train_loss"]):
            raise _failure("training loss", means["train_loss"], stage.name, epoch, step)
        return means["train_loss"]

    def _evaluate(self, part: Part, evaluation: Callable[[], Evaluation]) -> Evaluation:
        self._listener.evaluation_began(part)
        with self._meter.phase("evaluate"):
            return evaluation()

    def _finish(self, stages: tuple[StageOutcome, ...]) -> Outcome:
        """Evaluate the final weights: after restoring the best ones, and after every closing act."""
        train, validation, test = (
            self._evaluate(part, partial(self._task.evaluate, self._learner, part)) for part in _PARTS
        )
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


def _require_same_watched(there: Watched, here: Watched) -> None:
    """Refuse to go on by another figure: the best so far would be a loss held against an accuracy."""
    if there != here:
        raise UsageError(
            f"the checkpoint's training watches the validation {there}, and this one the validation {here}: "
            f"continue it with watch={there}, or begin anew"
        )


def _within(stage: str, phase: PhaseMarker) -> PhaseMarker:
    """Return a marker for a learner inside a stage: its ``layer1/forward`` is ``forward`` in ``layer1``."""
    names: dict[str, str] = {}

    def mark(name: str) -> AbstractContextManager[object]:
        short = names.get(name)
        if short is None:
            short = names[name] = name.removeprefix(f"{stage}/")
        return phase(short)

    return mark


def _logged(means: Mapping[str, float | list[float]]) -> dict[str, float]:
    """Return the means of an epoch by the names they are logged under."""
    logged: dict[str, float] = {}
    for name, mean in means.items():
        if isinstance(mean, list):
            logged |= {f"layer{layer}/{name}": value for layer, value in enumerate(mean, 1)}
        else:
            logged[f"train_{name}"] = mean
    return logged


def _failure(what: str, value: float, stage: str, epoch: int, step: int) -> TrainingFailed:
    return TrainingFailed(
        f"the {what} is {value} in epoch {epoch + 1} of stage '{stage}', by step {step}: lower the learning "
        f"rate of what trains in it (--set lr=..., head_lr or block_lr), or look for values in the data that "
        "are not finite"
    )
