"""A resumed training equals one that was never interrupted, bit for bit on the CPU."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from energyprof.errors import OutputError, UsageError
from learners.base import Batch, Learner, Metrics, Stage
from learners.configuration import configure
from learners.registry import build, entries, entry
from learners.training.checkpoint_file import read_checkpoint
from learners.training.checkpoint_writer import CheckpointWriter
from learners.training.loop import train
from learners.training.meter import NullMeter
from learners.training.outcome import EpochOutcome, Outcome
from learners.training.protocol import Protocol
from learners.training.task import ImageTask

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
PROTOCOLS = [Protocol.fixed(3), Protocol.convergence(patience=2, cap=3), Protocol.matched(9)]


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
    config = configure(entry(name).config, {"lr": "0.01", **settings})
    return build(name, task.spec, SMALL.get(name, "mlp:20,16,12"), config, seed=3)


def interrupted(
    learner: Learner, task: ImageTask, protocol: Protocol, file: Path, epochs: int, every: int = 1
) -> dict[str, Any]:
    """Train until so many epochs are over; return the checkpoint that is then there."""
    with pytest.raises(Killed):
        train(learner, task, protocol, KillAfter(epochs), writer=CheckpointWriter(file, every, {}, CPU))
    return read_checkpoint(file)


def equal(ours: Outcome, theirs: Outcome) -> bool:
    facts = [
        [(s.name, s.epochs, s.steps, s.best_epoch, s.ended_by) for s in outcome.stages]
        for outcome in (ours, theirs)
    ]
    same = (ours.train, ours.validation, ours.test) == (theirs.train, theirs.validation, theirs.test)
    return facts[0] == facts[1] and same and ours.samples == theirs.samples


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: str(p.rule))
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
