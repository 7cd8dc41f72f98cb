"""FLOPs of the real step: the published table, and no trace left in the learner."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from learners.base import Batch, DataSpec, Learner, Metrics
from learners.registry import build
from learners.training.flops import StageFlops, count_prediction_flops, count_step_flops, total_flops
from learners.training.outcome import StageOutcome

MNIST = DataSpec(shape=(1, 28, 28), classes=10)


def batch_of(size: int, spec: DataSpec = MNIST) -> Batch:
    generator = torch.Generator().manual_seed(0)
    return Batch(torch.rand(size, *spec.shape, generator=generator), torch.arange(size) % spec.classes)


@pytest.mark.parametrize(
    ("algo", "mflop_a_sample"),
    [("bp", 9.20), ("mf", 7.26), ("ff", 8 * 1.784)],
)
def test_a_step_of_784_1000_1000_10_counts_what_its_equations_say(algo: str, mflop_a_sample: float) -> None:
    learner = build(algo, MNIST, "mlp:1000,1000")
    (count,) = count_step_flops(learner, batch_of(8))
    assert count.step / 8e6 == pytest.approx(mflop_a_sample, abs=0.006)


def test_a_prediction_is_one_forward_pass() -> None:
    learner = build("bp", MNIST, "mlp:1000,1000")
    assert count_prediction_flops(learner, batch_of(4)) == 4 * 2 * (784 * 1000 + 1000 * 1000 + 1000 * 10)


def test_counting_leaves_the_learner_as_it_was() -> None:
    learner = build("mf", MNIST, "mlp:20,20")
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    count_step_flops(learner, batch_of(4))
    assert all(torch.equal(before[name], value) for name, value in learner.state_dict().items())
    assert all(p.grad is None for p in learner.parameters())


class InPlace(Learner):
    """Adds up a product in place, as closed forms do."""

    def step(self, batch: Batch) -> Metrics:
        x = batch.x.flatten(1)
        total = torch.zeros(x.shape[1], x.shape[1]).addmm_(x.t(), x)
        torch.zeros(2, 3, 5).baddbmm_(torch.zeros(2, 3, 4), torch.zeros(2, 4, 5))
        return {"loss": total.mean()}

    def scores(self, x: Tensor) -> Tensor:
        return x.flatten(1)


def test_products_in_place_count() -> None:
    spec = DataSpec(shape=(1, 2, 3), classes=2)
    (count,) = count_step_flops(InPlace(), batch_of(7, spec))
    assert count.step == 2 * 7 * 6 * 6 + 2 * 2 * 3 * 4 * 5


class Pipeline(Learner):
    """Does one product more a step until it is full, at three."""

    def __init__(self) -> None:
        super().__init__()
        self.filled = 0

    def step(self, batch: Batch) -> Metrics:
        self.filled = min(3, self.filled + 1)
        for _ in range(self.filled):
            loss = (torch.ones(2, 2) @ torch.ones(2, 2)).mean()
        return {"loss": loss}


def test_a_pipeline_is_counted_when_it_is_full() -> None:
    (count,) = count_step_flops(Pipeline(), batch_of(2))
    assert count.step == 3 * 16


def test_the_total_is_steps_times_the_count_of_each_stage() -> None:
    counts = (StageFlops(stage="a", step=10), StageFlops(stage="b", step=100))
    stages = [
        StageOutcome(name=name, epochs=1, steps=steps, best_epoch=0, ended_by="budget")
        for name, steps in (("a", 3), ("b", 2))
    ]
    assert total_flops(counts, stages) == 230.0
