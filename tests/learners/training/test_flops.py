"""FLOPs of the real step: the published table, and no trace left in the learner."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from learners.base import Batch, DataSpec, Learner, Metrics
from learners.configuration import configure
from learners.registry import build, entry
from learners.training.flops import StageFlops, count_prediction_flops, count_step_flops, total_flops
from learners.training.outcome import StageOutcome

MNIST = DataSpec(shape=(1, 28, 28), classes=10)


def batch_of(size: int, spec: DataSpec = MNIST) -> Batch:
    generator = torch.Generator().manual_seed(0)
    return Batch(torch.rand(size, *spec.shape, generator=generator), torch.arange(size) % spec.classes)


WIDTHS = (40, 30, 20)
FORWARD = 2 * (784 * 40 + 40 * 30 + 30 * 20)  # of the hidden layers, a sample
PROJECTIONS = 2 * 10 * sum(WIDTHS)


def steps_of(algo: str, **settings: str) -> list[int]:
    learner = build(algo, MNIST, "mlp:40,30,20", configure(entry(algo).config, settings))
    counts = [count.step for count in count_step_flops(learner, batch_of(8))]
    assert all(count % 8 == 0 for count in counts)
    return [count // 8 for count in counts]


@pytest.mark.parametrize(
    ("algo", "settings", "expected"),
    [
        ("bp", {}, 3 * (FORWARD + 2 * 10 * 20) - 2 * 784 * 40),
        ("bp-ds", {}, 3 * (FORWARD + 2 * 10 * 20) - 2 * 784 * 40 + 3 * 2 * 10 * (40 + 30)),
        ("mf-joint", {}, 3 * FORWARD - 2 * 784 * 40 + 3 * PROJECTIONS),
        ("mf", {}, 2 * FORWARD + 3 * PROJECTIONS),
        ("mf", {"schedule": "pipelined"}, 2 * FORWARD + 3 * PROJECTIONS),
        ("dfa", {}, 2 * (FORWARD + 2 * 10 * 20) + PROJECTIONS),
        ("dfa", {"rule": "fa"}, 3 * (FORWARD + 2 * 10 * 20) - 2 * 784 * 40),
        ("ff", {}, 4 * FORWARD),
        ("ff", {"inference": "one-pass"}, 5 * FORWARD + 2 * 2 * 10 * (30 + 20)),
        ("ff", {"negatives": "hard"}, 5 * FORWARD + 2 * 2 * 10 * (30 + 20)),
        ("ff", {"loss": "symba", "peer": "0.03"}, 4 * FORWARD),
        ("bp", {"accumulate": "4"}, 3 * (FORWARD + 2 * 10 * 20) - 2 * 784 * 40),
    ],
    ids=str,
)
def test_a_step_costs_what_its_law_says(algo: str, settings: dict[str, str], expected: int) -> None:
    assert steps_of(algo, **settings) == [expected]


def test_a_layer_in_sequence_costs_its_own_products_and_one_pass_below_it() -> None:
    below, expected, inputs = 0, [], 784
    for width in WIDTHS:
        own = 2 * inputs * width
        expected.append(below + 2 * own + 3 * 2 * 10 * width)
        below, inputs = below + own, width
    assert steps_of("mf", schedule="sequential") == expected


@pytest.mark.parametrize(
    ("algo", "settings", "expected"),
    [
        ("bp", {}, FORWARD + 2 * 10 * 20),
        ("bp-ds", {}, FORWARD + 2 * 10 * 20),
        ("mf-joint", {}, FORWARD + 2 * 10 * 20),
        ("dfa", {}, FORWARD + 2 * 10 * 20),
        ("mf", {}, FORWARD + PROJECTIONS),
        ("mf", {"prediction": "last"}, FORWARD + 2 * 10 * 20),
        ("ff", {}, 10 * FORWARD),
        ("ff", {"inference": "one-pass"}, FORWARD + 2 * 10 * (30 + 20)),
    ],
    ids=str,
)
def test_a_prediction_costs_what_its_law_says(algo: str, settings: dict[str, str], expected: int) -> None:
    learner = build(algo, MNIST, "mlp:40,30,20", configure(entry(algo).config, settings))
    assert count_prediction_flops(learner, batch_of(4)) == 4 * expected


@pytest.mark.parametrize(
    ("arch", "table"),
    [
        ("mlp:1000,1000", {"bp": 9.20, "bp-ds": 9.26, "mf": 7.26, "sequential": 8.82}),
        ("mlp:1000,1000,1000", {"bp": 15.20, "bp-ds": 15.32, "mf": 11.32, "sequential": 16.45}),
    ],
)
def test_megaflops_a_sample_are_those_of_the_published_table(arch: str, table: dict[str, float]) -> None:
    for name, expected in table.items():
        algo, settings = ("mf", {"schedule": name}) if name == "sequential" else (name, {})
        learner = build(algo, MNIST, arch, configure(entry(algo).config, settings))
        counted = sum(count.step for count in count_step_flops(learner, batch_of(2)))
        assert counted / 2e6 == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize(
    ("algo", "passes", "projections"), [("mf", 2, (1, 1)), ("bp", 3, (0, 1))], ids=["mf", "bp"]
)
def test_a_convolutional_step_has_no_input_gradient_that_nobody_asked_for(
    algo: str, passes: int, projections: tuple[int, int]
) -> None:
    (count,) = count_step_flops(build(algo, MNIST, "conv:4,6"), batch_of(8))
    blocks = 2 * 9 * 4 * 28 * 28, 2 * 9 * 4 * 6 * 14 * 14
    features = 4 * 14 * 14, 6 * 7 * 7
    read = sum(2 * 10 * d * there for d, there in zip(features, projections, strict=True))
    assert count.step == 8 * (2 * blocks[0] + passes * blocks[1] + 3 * read)  # none into the images


def test_a_block_trained_by_feedback_costs_a_forward_pass_and_its_own_products() -> None:
    learner = build("cafo", MNIST, "conv:4,6", configure(entry("cafo").config, {"blocks": "dfa"}))
    blocks, statistics, first, second = (count.step // 8 for count in count_step_flops(learner, batch_of(8)))
    one, two = 2 * 9 * 4 * 28 * 28, 2 * 9 * 4 * 6 * 14 * 14
    features = 4 * 14 * 14, 6 * 7 * 7
    assert statistics == one + two
    assert blocks == 2 * (one + two) + 2 * 2 * 10 * features[1] + 2 * 10 * sum(features)
    assert first == one + 2 * 2 * 10 * features[0]
    assert second == one + two + 2 * 2 * 10 * features[1]


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
