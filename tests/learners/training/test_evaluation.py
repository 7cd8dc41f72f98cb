"""Evaluation of a layer on top of frozen ones: the same bits as the whole net, however it is computed."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from energyprof.errors import UsageError
from learners.base import Below, Learner, Stage, Top
from learners.configuration import configure
from learners.data.dataset import Dataset
from learners.registry import build, entry
from learners.training import evaluation
from learners.training.evaluation import TopEvaluation, below_bytes
from learners.training.listener import SilentListener
from learners.training.loop import train
from learners.training.memory_by_cause import measure_memory
from learners.training.outcome import EpochOutcome
from learners.training.protocol import Protocol
from learners.training.stopping import WATCHABLE, Watched
from learners.training.task import ImageTask

Fixture = Any  # classes that conftest hands out
VARIANTS = [
    ("mf", "mlp:24,16,12", {"schedule": "sequential"}),
    ("mf", "mlp:24,16", {"schedule": "sequential", "prediction": "last"}),
    ("mf", "conv:4,6", {"schedule": "sequential"}),
    ("cafo", "conv:4,6", {}),
    ("cafo", "conv:4,6", {"predictor": "sparsemax"}),
    ("cafo", "conv:4,6", {"blocks": "dfa"}),
]


def make(task: ImageTask, name: str, arch: str, settings: dict[str, str], cache: bool = True) -> Learner:
    given = {"cache": "true"} if cache else {}
    config = configure(entry(name).config, {**settings, "lr": "0.01", **given})
    return build(name, task.spec, arch, config)


class Evaluations(SilentListener):
    """Remembers what every epoch ended with."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, float, float]] = []

    def epoch_ended(self, outcome: EpochOutcome) -> None:
        found = outcome.validation
        assert found is not None
        self.seen.append((outcome.stage, outcome.index, found.loss, found.accuracy))


class PlainTask(ImageTask):
    """Keeps what steps read, and nothing for evaluations."""

    def evaluation_of(self, top: Top, part: Any, *, keep: bool) -> Any:
        return super().evaluation_of(top, part, keep=False)


def below_the_top(learner: Learner, task: ImageTask) -> list[Stage]:
    """Train a little in each stage; return those with something below, each judged as it stood."""
    batch, found = next(task.one_pass(0)), []
    for stage in learner.stages():
        step_batch = batch if stage.frozen is None else batch._replace(x=stage.frozen(batch.x))
        for _ in range(3):
            stage.step(step_batch)
        if stage.top is not None:
            kept, plain = (task.evaluation_of(stage.top, "validation", keep=keep)() for keep in (True, False))
            assert kept == plain == task.evaluate(learner, "validation", partial(loss_of, stage.top))
            found.append(stage)
    return found


def loss_of(top: Top, batch: Any) -> torch.Tensor:
    return top.judge(top.below(batch.x), batch.y)[1]


@pytest.mark.parametrize(("name", "arch", "settings"), VARIANTS, ids=str)
def test_kept_outputs_give_the_bits_of_the_whole_net(
    tiny_task: ImageTask, monkeypatch: pytest.MonkeyPatch, name: str, arch: str, settings: dict[str, str]
) -> None:
    for size in (512, 7):  # one chunk, and several of which the last is smaller
        monkeypatch.setattr("learners.training.task.EVALUATION_BATCH", size)
        monkeypatch.setattr(evaluation, "EVALUATION_BATCH", size)
        assert len(below_the_top(make(tiny_task, name, arch, settings), tiny_task)) == arch.count(",") + 1


@pytest.mark.parametrize(("name", "arch", "settings"), VARIANTS, ids=str)
def test_every_epoch_of_a_run_is_judged_the_same_to_the_bit(
    tiny_dataset: Dataset, meter: Fixture, name: str, arch: str, settings: dict[str, str]
) -> None:
    protocol, seen = Protocol.convergence(patience=2, cap=5), []
    for task in (ImageTask(tiny_dataset, batch_size=10), PlainTask(tiny_dataset, batch_size=10)):
        listener = Evaluations()
        train(make(task, name, arch, settings), task, protocol, meter, listener)
        seen.append(listener.seen)
    assert seen[0] == seen[1]


@pytest.mark.parametrize("watch", WATCHABLE)
@pytest.mark.parametrize(("name", "arch", "settings"), VARIANTS, ids=str)
def test_what_is_watched_of_a_layer_is_its_stages_own_evaluation(
    tiny_task: ImageTask, meter: Fixture, name: str, arch: str, settings: dict[str, str], watch: Watched
) -> None:
    protocol, listener = Protocol.convergence(patience=2, cap=5, watch=watch), Evaluations()
    outcome = train(make(tiny_task, name, arch, settings), tiny_task, protocol, meter, listener)
    for stage in outcome.stages:
        seen = [(loss, -right) for of, _, loss, right in listener.seen if of == stage.name]
        values = [pair[WATCHABLE.index(watch)] for pair in seen]
        assert stage.best_epoch == values.index(min(values))
        if stage.ended_by == "patience":
            assert stage.epochs == stage.best_epoch + 1 + 2


class BestState(SilentListener):
    """Remembers the weights and the validation loss of the best epoch so far."""

    def __init__(self, learner: Learner) -> None:
        self._learner, self.epoch, self.loss = learner, -1, 0.0
        self.state: dict[str, torch.Tensor] = {}

    def epoch_ended(self, outcome: EpochOutcome) -> None:
        if outcome.best:
            assert outcome.validation is not None
            self.epoch, self.loss = outcome.index, outcome.validation.loss
            self.state = {name: value.clone() for name, value in self._learner.state_dict().items()}


@pytest.mark.parametrize(("cap", "least"), [(1, 0.0), (6, 1e9)], ids=["the last", "an earlier one"])
@pytest.mark.parametrize(
    ("name", "settings"),
    [("bp", {}), ("mf", {}), ("mf", {"schedule": "pipelined"}), ("ff", {"peer": "0.03"}), ("dfa", {})],
    ids=str,
)
def test_training_to_convergence_ends_with_the_very_weights_of_its_best_epoch(
    tiny_task: ImageTask, meter: Fixture, name: str, settings: dict[str, str], cap: int, least: float
) -> None:
    learner = make(tiny_task, name, "mlp:24,16,12", settings, cache=False)
    best, protocol = BestState(learner), Protocol.convergence(patience=2, cap=cap, min_delta=least)
    outcome = train(learner, tiny_task, protocol, meter, best)
    assert (best.epoch, outcome.stages[0].epochs) == (0, min(cap, 3))  # no later epoch is better by so much
    assert all(torch.equal(best.state[name], value) for name, value in learner.state_dict().items())
    assert outcome.validation.loss == best.loss


def test_an_image_goes_through_frozen_layers_once_a_stage_where_they_are_kept(
    tiny_task: ImageTask, meter: Fixture
) -> None:
    for cache, passes in ((True, 1), (False, 3)):
        learner = make(tiny_task, "mf", "mlp:24,16", {"schedule": "sequential"}, cache)
        first = learner.layers[0]  # type: ignore[index]
        rows: list[int] = []
        stages = learner.stages()
        next(stages)
        top = next(stages).top
        assert top is not None
        first.register_forward_hook(lambda _m, x, _y, rows=rows: rows.append(len(x[0])))  # type: ignore[union-attr]
        evaluate = tiny_task.evaluation_of(top, "validation", keep=cache)
        for _ in range(3):
            evaluate()
        assert sum(rows) == passes * tiny_task.samples("validation")


def test_evaluation_stays_a_phase_of_its_own(tiny_task: ImageTask, meter: Fixture) -> None:
    train(make(tiny_task, "mf", "mlp:24,16", {"schedule": "sequential"}), tiny_task, Protocol.fixed(2), meter)
    assert "evaluate" in meter.phases()
    assert not any(path.startswith("layer") and "evaluate" in path for path in meter.phases())


def test_what_is_kept_takes_the_bytes_that_were_foretold(
    tiny_task: ImageTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "EVALUATION_BATCH", 7)
    learner, batch = make(tiny_task, "cafo", "conv:4,6", {}), next(tiny_task.one_pass(0))
    held = []
    for stage in learner.stages():
        stage.step(batch if stage.frozen is None else batch._replace(x=stage.frozen(batch.x)))
        if stage.top is None:
            continue
        keeping = tiny_task.evaluation_of(stage.top, "validation", keep=True)
        assert isinstance(keeping, TopEvaluation)
        keeping()
        assert keeping._kept is not None
        storages = {t.untyped_storage() for below in keeping._kept for t in below}
        held.append(sum(storage.nbytes() for storage in storages))
    rows = tiny_task.samples("validation")
    foretold = measure_memory(make(tiny_task, "cafo", "conv:4,6", {}), batch, 0, rows)
    assert held == [stage.cache for stage in foretold if stage.cache]


def test_what_does_not_fit_is_refused_after_the_first_chunk(
    tiny_task: ImageTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "EVALUATION_BATCH", 7)
    monkeypatch.setattr("learners.training.free_memory.free_bytes", lambda _device: 1)
    chunks = []

    def below(x: torch.Tensor) -> Below:
        chunks.append(len(x))
        return Below(x.flatten(1), x.new_zeros(len(x), 3))

    top = Top(below=below, judge=lambda kept, _y: (kept.scores, kept.x.sum()))
    with pytest.raises(UsageError, match=r"validation outputs takes .* leave out --set cache=true"):
        tiny_task.evaluation_of(top, "validation", keep=True)()
    assert chunks == [7]
    tiny_task.evaluation_of(top, "validation", keep=False)()  # nothing is kept, nothing is asked


def test_bytes_are_those_of_inputs_and_scores() -> None:
    below = Below(torch.zeros(4, 5, dtype=torch.bfloat16), torch.zeros(4, 3))
    assert below_bytes(below, 10) == 10 * (5 * 2 + 3 * 4)
