"""A resumed training equals one that was never interrupted, bit for bit on the CPU."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from energyprof.errors import UsageError
from learners.base import Batch, Learner, Metrics
from learners.configuration import configure
from learners.registry import build, entries, entry
from learners.training import compilation
from learners.training.checkpoint_file import read_checkpoint
from learners.training.checkpoint_writer import CheckpointWriter
from learners.training.execution import Execution
from learners.training.flops import count_step_flops, total_flops
from learners.training.listener import SilentListener
from learners.training.loop import train
from learners.training.meter import NullMeter
from learners.training.outcome import EpochOutcome, Outcome
from learners.training.protocol import Protocol
from learners.training.task import ImageTask
from learners.training.training_state import TrainingState

Fixture = Any  # classes that conftest hands out
CPU = torch.device("cpu")
SMALL = {"cafo": "conv:4,6"}
VARIANTS: list[tuple[str, dict[str, str]]] = [
    ("bp", {}),
    ("bp", {"optimizer": "sgd", "checkpoint": "2", "accumulate": "2"}),
    ("bp-ds", {}),
    ("mf-joint", {}),
    ("mf", {"schedule": "concurrent"}),
    ("mf", {"schedule": "sequential"}),
    ("mf", {"schedule": "sequential", "cache": "true"}),
    ("mf", {"schedule": "pipelined"}),
    ("mf", {"predsim": "0.9", "optimizer": "adam"}),
    ("ff", {}),
    ("ff", {"inference": "one-pass", "peer": "0.03", "optimizer": "sgd"}),
    ("ff", {"negatives": "hard", "peer": "0.03"}),
    ("cafo", {}),
    ("cafo", {"cache": "true"}),
    ("cafo", {"predictor": "mse"}),
    ("cafo", {"blocks": "dfa", "predictor": "sparsemax"}),
    ("dfa", {}),
    ("dfa", {"rule": "fa"}),
]
PROTOCOLS = [
    Protocol.fixed(3),
    Protocol.convergence(patience=2, cap=3),
    Protocol.convergence(patience=2, cap=3, watch="accuracy"),
    Protocol.matched(9),
]


class Killed(BaseException):
    """Stands for the end of a process."""


class KillAfter(NullMeter):
    """Ends a training when so many epochs are over; what was going on is lost."""

    def __init__(self, epochs: int, error: type[BaseException] = Killed) -> None:
        self._left, self._error = epochs, error

    def steps(self, iterable: Any, phase: str = "train", samples: int | None = None) -> Iterator[Any]:
        for count, item in enumerate(iterable):
            if self._left == 0 and count == 2:
                raise self._error
            yield item
        self._left -= 1


def make(name: str, settings: dict[str, str], task: ImageTask) -> Learner:
    given = settings if settings.get("predictor") == "mse" else {"lr": "0.01", **settings}  # it has no rate
    config = configure(entry(name).config, given)
    return build(name, task.spec, SMALL.get(name, "mlp:20,16,12"), config, seed=3)


def interrupted(
    learner: Learner,
    task: ImageTask,
    protocol: Protocol,
    file: Path,
    epochs: int,
    every: int = 1,
    execution: Execution | None = None,
) -> dict[str, Any]:
    """Train until so many epochs are over; return the checkpoint that is then there."""
    writer = CheckpointWriter(file, every, {}, CPU)
    with pytest.raises(Killed):
        train(learner, task, protocol, KillAfter(epochs), execution=execution, writer=writer)
    return read_checkpoint(file)


def equal(ours: Outcome, theirs: Outcome) -> bool:
    facts = [
        [(s.name, s.epochs, s.steps, s.best_epoch, s.ended_by) for s in outcome.stages]
        for outcome in (ours, theirs)
    ]
    same = (ours.train, ours.validation, ours.test) == (theirs.train, theirs.validation, theirs.test)
    return facts[0] == facts[1] and same and ours.samples == theirs.samples


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: f"{p.rule}-{p.watch}")
@pytest.mark.parametrize(("name", "settings"), VARIANTS, ids=str)
def test_it_equals_an_uninterrupted_training_wherever_it_was_killed(
    tiny_task: ImageTask, tmp_path: Path, name: str, settings: dict[str, str], protocol: Protocol
) -> None:
    whole = make(name, settings, tiny_task)
    expected = train(whole, tiny_task, protocol, NullMeter())
    for epochs in range(1, expected.passes):
        checkpoint = interrupted(
            make(name, settings, tiny_task), tiny_task, protocol, tmp_path / "checkpoint.pt", epochs
        )
        learner = make(name, settings, tiny_task)
        outcome = train(learner, tiny_task, protocol, NullMeter(), resumed=checkpoint)
        assert equal(outcome, expected), epochs
        for key, value in whole.state_dict().items():
            assert torch.equal(learner.state_dict()[key], value), (epochs, key)
        own = sum(stage.steps - stage.earlier_steps for stage in outcome.stages)
        assert own == (expected.passes - epochs) * tiny_task.steps_per_pass


@pytest.mark.parametrize(
    ("backend", "name", "settings"),
    [
        # all of the compiler but its slow last stage
        ("aot_eager", "mf", {"schedule": "sequential", "cache": "true"}),
        ("aot_eager", "ff", {"inference": "one-pass", "peer": "0.03"}),
        pytest.param(
            *("inductor", "mf", {}),
            marks=pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler for inductor"),
        ),
    ],
    ids=str,
)
def test_so_does_a_compiled_one(
    tiny_task: ImageTask,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
    name: str,
    settings: dict[str, str],
) -> None:
    monkeypatch.setattr(compilation, "_compiled", partial(compilation._compiled, backend=backend))
    how = Execution(device=CPU, compiled=True)
    whole = make(name, settings, tiny_task)
    expected = train(whole, tiny_task, Protocol.fixed(2), NullMeter(), execution=how)
    for epochs in {1, expected.passes - 1}:  # in the first stage, and in the last
        checkpoint = interrupted(
            *(make(name, settings, tiny_task), tiny_task, Protocol.fixed(2), tmp_path / "c.pt", epochs),
            execution=how,
        )
        torch.compiler.reset()  # another process knows nothing of what was compiled
        learner = make(name, settings, tiny_task)
        outcome = train(learner, tiny_task, Protocol.fixed(2), NullMeter(), execution=how, resumed=checkpoint)
        assert equal(outcome, expected), epochs
        for key, value in whole.state_dict().items():
            assert torch.equal(learner.state_dict()[key], value), (epochs, key)
    torch.compiler.reset()


def test_every_built_in_learner_stands_here() -> None:
    assert {name for name, _ in VARIANTS} >= set(entries())


def test_augmented_images_are_those_of_the_pass_that_was_to_come(
    tiny_dataset: Fixture, tmp_path: Path
) -> None:
    large = replace(tiny_dataset, train_x=tiny_dataset.train_x.repeat(2, 2).repeat(2, 3))
    large = replace(large, test_x=tiny_dataset.test_x.repeat(2, 2).repeat(2, 3), augmented=True)
    task = ImageTask(large, batch_size=10, seed=5)
    whole = make("bp", {}, task)
    train(whole, task, Protocol.fixed(3), NullMeter())
    checkpoint = interrupted(make("bp", {}, task), task, Protocol.fixed(3), tmp_path / "c.pt", 1)
    learner = make("bp", {}, task)
    train(learner, task, Protocol.fixed(3), NullMeter(), resumed=checkpoint)
    assert all(map(torch.equal, learner.state_dict().values(), whole.state_dict().values()))


class Noisy(Learner):
    """Draws from every generator of the process, and keeps a count in an object of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3), requires_grad=False)
        self.tally = Tally()
        self.optimizer = torch.optim.SGD([self.weight], lr=0.1, momentum=0.9)
        self.scheduler = torch.optim.lr_scheduler.ExponentialLR(self.optimizer, 0.9)

    def step(self, batch: Batch) -> Metrics:
        drawn = [float(torch.rand(())), float(np.random.rand()), random.random()]
        self.weight.grad = torch.tensor(drawn) - 0.5
        self.optimizer.step()
        self.tally.add(batch.y)
        return {"loss": self.weight.square().sum()}

    def on_epoch(self, epoch: int, epochs: int) -> None:
        if epoch:
            self.scheduler.step()

    def scores(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, :3] * self.weight


class Tally:
    """Labels seen, made at the first batch."""

    def __init__(self) -> None:
        self.counts: Tensor | None = None
        self.batches = 0

    def add(self, y: Tensor) -> None:
        counted = torch.bincount(y, minlength=3)
        self.counts = counted if self.counts is None else self.counts + counted
        self.batches += 1


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler")  # it steps before the first update
def test_generators_schedules_and_objects_of_a_learner_go_on(tiny_task: ImageTask, tmp_path: Path) -> None:
    def seeded() -> Noisy:
        torch.manual_seed(1)
        np.random.seed(1)
        random.seed(1)
        return Noisy()

    whole = seeded()
    train(whole, tiny_task, Protocol.fixed(4), NullMeter())
    checkpoint = interrupted(seeded(), tiny_task, Protocol.fixed(4), tmp_path / "c.pt", 2)
    torch.manual_seed(7)
    np.random.seed(7)
    random.seed(7)
    learner = Noisy()
    train(learner, tiny_task, Protocol.fixed(4), NullMeter(), resumed=checkpoint)
    assert torch.equal(learner.weight, whole.weight)
    assert learner.scheduler.get_last_lr() == whole.scheduler.get_last_lr()
    assert learner.tally.batches == whole.tally.batches == 4 * tiny_task.steps_per_pass
    assert torch.equal(learner.tally.counts, whole.tally.counts)  # type: ignore[arg-type]


@pytest.mark.parametrize("kept", [np.zeros(3), np.random.default_rng(0), random.Random(0), {1, 2}])
def test_what_no_checkpoint_can_hold_is_refused_in_one_line(
    tiny_task: ImageTask, tmp_path: Path, linear_softmax: Fixture, kept: object
) -> None:
    learner = linear_softmax(16, 3)
    learner.kept = kept
    writer = CheckpointWriter(tmp_path / "c.pt", 1, {}, CPU)
    with pytest.raises(UsageError, match=r"LinearSoftmax\.kept is a .*, which no checkpoint can hold"):
        train(learner, tiny_task, Protocol.fixed(1), NullMeter(), writer=writer)


def test_a_checkpoint_of_another_learner_is_refused(
    tiny_task: ImageTask, tmp_path: Path, linear_softmax: Fixture
) -> None:
    checkpoint = interrupted(make("bp", {}, tiny_task), tiny_task, Protocol.fixed(2), tmp_path / "c.pt", 1)
    with pytest.raises(UsageError, match="the checkpoint is of another LinearSoftmax: it has other tensors"):
        train(linear_softmax(16, 3), tiny_task, Protocol.fixed(2), NullMeter(), resumed=checkpoint)
    wider = build("bp", tiny_task.spec, "mlp:20,17,12")
    with pytest.raises(UsageError, match=r"another Backpropagation: layer\d\.\w+ is \(16, 20\) there"):
        train(wider, tiny_task, Protocol.fixed(2), NullMeter(), resumed=checkpoint)


@pytest.mark.parametrize(("there", "here"), [("loss", "accuracy"), ("accuracy", "loss")])
def test_a_training_that_watches_another_figure_is_not_continued(
    tiny_task: ImageTask, tmp_path: Path, there: Any, here: Any
) -> None:
    before, after = (Protocol.convergence(patience=2, cap=3, watch=watch) for watch in (there, here))
    checkpoint = interrupted(make("bp", {}, tiny_task), tiny_task, before, tmp_path / "c.pt", 1)
    said = (
        f"watches the validation {there}, and this one the validation {here}: continue it with watch={there}"
    )
    with pytest.raises(UsageError, match=said):
        train(make("bp", {}, tiny_task), tiny_task, after, NullMeter(), resumed=checkpoint)


def test_a_checkpoint_from_before_there_was_a_choice_goes_on_by_the_loss(
    tiny_task: ImageTask, tmp_path: Path
) -> None:
    protocol = Protocol.convergence(patience=2, cap=3)
    whole = make("bp", {}, tiny_task)
    expected = train(whole, tiny_task, protocol, NullMeter())
    checkpoint = interrupted(make("bp", {}, tiny_task), tiny_task, protocol, tmp_path / "c.pt", 1)
    del checkpoint["training"]["patience"]["watched"]
    learner = make("bp", {}, tiny_task)
    assert equal(train(learner, tiny_task, protocol, NullMeter(), resumed=checkpoint), expected)
    assert all(map(torch.equal, learner.state_dict().values(), whole.state_dict().values()))


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interruption_between_two_checkpoints_leaves_the_last_whole_epoch(
    tiny_task: ImageTask, tmp_path: Path, error: type[BaseException]
) -> None:
    whole = make("mf", {}, tiny_task)
    train(whole, tiny_task, Protocol.fixed(6), NullMeter())
    writer = CheckpointWriter(tmp_path / "c.pt", 4, {}, CPU)
    with pytest.raises(error):
        train(make("mf", {}, tiny_task), tiny_task, Protocol.fixed(6), KillAfter(3, error), writer=writer)
    checkpoint = read_checkpoint(tmp_path / "c.pt")
    assert checkpoint["training"]["passes"] == 3
    learner = make("mf", {}, tiny_task)
    train(learner, tiny_task, Protocol.fixed(6), NullMeter(), resumed=checkpoint)
    assert all(map(torch.equal, learner.state_dict().values(), whole.state_dict().values()))


def test_no_checkpoint_stands_on_an_epoch_whose_end_is_not_recorded(
    tiny_task: ImageTask, tmp_path: Path, meter: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []

    def epoch_ended(self: CheckpointWriter, learner: Learner, state: TrainingState) -> None:
        ended.append(sum(event[0] == "epoch ended" for event in meter.events))
        assert meter.open_phases == ["checkpoint"]

    monkeypatch.setattr(CheckpointWriter, "epoch_ended", epoch_ended)
    learner = make("mf", {"schedule": "sequential"}, tiny_task)
    train(learner, tiny_task, Protocol.matched(5), meter, writer=CheckpointWriter(tmp_path / "c", 2, {}, CPU))
    assert ended == [1, 2, 3, 4, 5]


def test_checkpoints_come_every_so_many_epochs_over_all_stages(tiny_task: ImageTask, tmp_path: Path) -> None:
    seen: list[int] = []

    class Watching(SilentListener):
        def epoch_ended(self, epoch: EpochOutcome) -> None:
            file = tmp_path / "c.pt"
            seen.append(read_checkpoint(file)["training"]["passes"] if file.exists() else 0)

    writer = CheckpointWriter(tmp_path / "c.pt", 2, {}, CPU)
    learner = make("mf", {"schedule": "sequential"}, tiny_task)
    train(learner, tiny_task, Protocol.matched(5), NullMeter(), Watching(), writer=writer)
    assert seen == [0, 2, 2, 4, 4]
    assert [path.name for path in tmp_path.iterdir()] == ["c.pt"]


def test_writing_and_resuming_are_phases_of_their_own(
    tiny_task: ImageTask, tmp_path: Path, meter: Fixture
) -> None:
    file = tmp_path / "c.pt"
    learner = make("mf", {"schedule": "sequential"}, tiny_task)
    train(learner, tiny_task, Protocol.fixed(1), meter, writer=CheckpointWriter(file, 1, {}, CPU))
    assert "checkpoint" in meter.phases()
    assert "resume" not in meter.phases()
    later = type(meter)()
    fresh = make("mf", {"schedule": "sequential"}, tiny_task)
    train(fresh, tiny_task, Protocol.fixed(1), later, resumed=read_checkpoint(file))
    assert later.phases() == ["plan", "resume", "layer3/closing", "evaluate"]
    assert not any(event[0] == "step" for event in later.events)


def test_a_listener_is_told_how_many_epochs_were_done_before(tiny_task: ImageTask, tmp_path: Path) -> None:
    told: list[int] = []

    class Noting(SilentListener):
        def training_began(self, stages: object, steps_per_epoch: int, epochs_before: int = 0) -> None:
            told.append(epochs_before)

    checkpoint = interrupted(make("dfa", {}, tiny_task), tiny_task, Protocol.fixed(3), tmp_path / "c.pt", 2)
    for resumed in (None, checkpoint):
        train(
            make("dfa", {}, tiny_task), tiny_task, Protocol.fixed(3), NullMeter(), Noting(), resumed=resumed
        )
    assert told == [0, 2]


def test_flops_are_those_of_the_own_part(tiny_task: ImageTask, tmp_path: Path) -> None:
    settings = {"schedule": "sequential", "cache": "true"}
    learner = make("mf", settings, tiny_task)
    rows = tiny_task.samples("train")
    counts = count_step_flops(learner, next(iter(tiny_task.one_pass(0))), rows)
    whole = total_flops(counts, train(learner, tiny_task, Protocol.fixed(2), NullMeter()).stages)
    checkpoint = interrupted(
        make("mf", settings, tiny_task), tiny_task, Protocol.fixed(2), tmp_path / "c.pt", 3
    )
    outcome = train(
        make("mf", settings, tiny_task), tiny_task, Protocol.fixed(2), NullMeter(), resumed=checkpoint
    )
    steps = tiny_task.steps_per_pass
    before = steps * (2 * counts[0].step + counts[1].step)
    assert total_flops(counts, outcome.stages) == whole - before  # layer 2's outputs are computed once more


def test_fewer_than_one_epoch_between_checkpoints_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--checkpoint-every 0 cannot be: give 1 epoch or more"):
        CheckpointWriter(tmp_path / "c.pt", 0, {}, CPU)
