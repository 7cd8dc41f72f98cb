"""A small data set, a linear softmax learner, and a meter that writes down what it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from learners.base import Batch, Learner, Metrics, Stage
from learners.data.dataset import Dataset, digest
from learners.training.evaluation import Evaluation
from learners.training.task import ImageTask

T = TypeVar("T")


@dataclass
class RecordingMeter:
    """Writes down phases as paths, logs and epochs, in order."""

    events: list[tuple[Any, ...]] = field(default_factory=list)
    open_phases: list[str] = field(default_factory=list)

    def steps(self, iterable: Iterable[T], phase: str = "train", samples: int | None = None) -> Iterator[T]:
        iterator = iter(iterable)
        while True:
            with self.phase(f"{phase}/data"):
                item = next(iterator, None)
            if item is None:
                return
            with self.phase(phase):
                self.events.append(("step", phase, samples))
                yield item

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        self.open_phases.append(name)
        self.events.append(("phase", "/".join(self.open_phases)))
        try:
            yield
        finally:
            self.open_phases.pop()

    def log(self, **values: float | None) -> None:
        self.events.append(("log", values))

    @contextmanager
    def epoch(self, index: int, stage: str = "train") -> Iterator[None]:
        self.events.append(("epoch", stage, index))
        yield
        self.events.append(("epoch ended", stage, index))

    def phases(self) -> list[str]:
        return list(dict.fromkeys(event[1] for event in self.events if event[0] == "phase"))

    def logged(self, name: str) -> list[float]:
        return [event[1][name] for event in self.events if event[0] == "log" and name in event[1]]


class LinearSoftmax(Learner):
    """p = softmax(W x), plain gradient descent; its gradient written out."""

    def __init__(self, features: int, classes: int, lr: float = 0.5, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(classes, features, generator=generator) * 0.01)
        self.optimizer = torch.optim.SGD([self.weight], lr=lr, momentum=0.9)
        self.epochs_seen: list[tuple[int, int]] = []

    def on_epoch(self, epoch: int, epochs: int) -> None:
        self.epochs_seen.append((epoch, epochs))

    def step(self, batch: Batch) -> Metrics:
        with self.phase("forward"):
            logits = self.scores(batch.x)
        with self.phase("local-update"):
            error = torch.softmax(logits, 1)
            loss = -error.gather(1, batch.y[:, None]).log().mean()
            error[torch.arange(len(batch.y)), batch.y] -= 1
            self.weight.grad = (error.t() @ batch.x.flatten(1) / len(batch.y)).detach()
        self.optimizer.step()
        return {"loss": loss.detach(), "size": torch.tensor(float(len(batch.y)))}

    def scores(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.weight.detach().t()


class Counter(Learner):
    """Counts its steps in its only weight; its stages are given by name and epochs."""

    def __init__(self, *stages: tuple[str, int | None]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()), requires_grad=False)
        self.names = stages or (("train", None),)
        self.closed: list[tuple[str, float]] = []
        self.losses: Callable[[float], float] = lambda _: 1.0

    def stages(self) -> Iterator[Stage]:
        for name, epochs in self.names:
            yield Stage(name=name, step=self.step, epochs=epochs)
            self.closed.append((name, float(self.weight)))

    def step(self, batch: Batch) -> Metrics:
        with torch.no_grad():
            self.weight += 1
        return {"loss": torch.tensor(self.losses(float(self.weight)))}

    def scores(self, x: Tensor) -> Tensor:
        return torch.zeros(len(x), 2)


@dataclass
class ScriptedTask:
    """Two batches a pass; validation losses in the order given, then 0, and accuracies, then a half."""

    losses: Sequence[float] = ()
    accuracies: Sequence[float] = ()
    batch_size: int = 4
    steps_per_pass: int = 2
    passes: list[int] = field(default_factory=list)
    evaluated: list[tuple[str, float]] = field(default_factory=list)

    def one_pass(self, number: int) -> Iterator[Batch]:
        self.passes.append(number)
        for _ in range(self.steps_per_pass):
            yield Batch(
                torch.zeros(self.batch_size, 1, 2, 2), torch.zeros(self.batch_size, dtype=torch.int64)
            )

    def evaluate(self, learner: Learner, part: str, loss: Any = None) -> Evaluation:
        assert isinstance(learner, Counter)
        done = sum(kind == "validation" for kind, _ in self.evaluated)
        self.evaluated.append((part, float(learner.weight)))
        value = self.losses[done] if part == "validation" and done < len(self.losses) else 0.0
        right = self.accuracies[done] if part == "validation" and done < len(self.accuracies) else 0.5
        return Evaluation(loss=value, accuracy=right, samples=10)


def blobs(count: int, seed: int) -> tuple[Any, Any]:
    """Return images (count, 1, 4, 4) whose class lights up one row each, with noise."""
    random = np.random.RandomState(seed)
    labels = (np.arange(count) % 3).astype(np.uint8)
    images = random.randint(0, 100, (count, 1, 4, 4))
    images[np.arange(count), 0, labels] += 100
    return images.astype(np.uint8), labels


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Let no test wait for a second core that others may hold."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny_dataset() -> Dataset:
    train_x, train_y = blobs(90, 0)
    test_x, test_y = blobs(30, 1)
    return Dataset(
        name="rows",
        train_x=train_x,
        train_y=train_y,
        test_x=test_x,
        test_y=test_y,
        classes=3,
        white=255,
        mean=(0.3,),
        std=(0.2,),
        validation_size=20,
        augmented=False,
        sha256=digest(train_x, train_y, test_x, test_y),
        source="made up",
        licence="none",
    )


@pytest.fixture
def tiny_task(tiny_dataset: Dataset) -> ImageTask:
    return ImageTask(tiny_dataset, batch_size=10, seed=0)


@pytest.fixture
def meter() -> RecordingMeter:
    return RecordingMeter()


@pytest.fixture
def linear_softmax() -> type[LinearSoftmax]:
    return LinearSoftmax


@pytest.fixture
def counter() -> type[Counter]:
    return Counter


@pytest.fixture
def scripted_task() -> type[ScriptedTask]:
    return ScriptedTask
