"""Memory by cause: what is kept, and what a step makes and lets go of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from learners.base import Batch, DataSpec, Learner, Metrics, Stage
from learners.configuration import configure
from learners.registry import build, entry
from learners.training.memory_by_cause import StageMemory, measure_memory

SPEC = DataSpec(shape=(1, 8, 8), classes=10)


def batch_of(size: int) -> Batch:
    return Batch(torch.rand(size, *SPEC.shape), torch.arange(size) % 10)


class Known(Learner):
    """Makes tensors of known sizes by plain code: 400 B of weights, 1,000 B at the peak, 80 B kept."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(100))
        self.kept: Tensor | None = None
        self.optimizer = torch.optim.SGD([self.weight], lr=0.1, momentum=0.9)

    def stages(self) -> Iterator[Stage]:
        yield Stage(name="only", step=self.step)

    def step(self, batch: Batch) -> Metrics:
        if self.weight.grad is None:
            self.weight.grad = torch.ones(100)
        if self.kept is None:
            self.kept = torch.ones(20)
        first, second = torch.ones(150), torch.ones(100)
        del first, second
        torch.ones(200)
        self.optimizer.step()
        return {"loss": self.kept[0]}


def test_every_byte_has_its_cause() -> None:
    batch = batch_of(2)
    (found,) = measure_memory(Known(), batch)
    assert found == StageMemory(
        stage="only",
        parameters=400,
        gradients=400,
        optimizer_state=400,
        activations=1000,
        other=80 + 2 * 64 * 4 + 2 * 8,
    )
    assert found.total == 400 * 3 + 1000 + 80 + 512 + 16


def test_backpropagation_by_autograd_and_by_hand_keep_the_same_kinds() -> None:
    (found,) = measure_memory(build("bp", SPEC, "conv:4,8"), batch_of(16))
    assert found.optimizer_state >= 2 * found.parameters
    assert found.gradients <= found.parameters
    assert found.activations > 16 * 4 * 64 * 4  # at least the first block's activations


def test_activations_grow_with_depth_for_backpropagation_and_not_for_mono_forward() -> None:
    def activations(algo: str, depth: int) -> int:
        learner = build(algo, SPEC, "mlp:" + ",".join(["64"] * depth))
        return max(stage.activations for stage in measure_memory(learner, batch_of(256)))

    assert activations("bp", 6) > 1.8 * activations("bp", 2)
    assert activations("mf", 6) == pytest.approx(activations("mf", 2), rel=0.05)


def activations_of(algo: str, depth: int, **settings: str) -> int:
    config = configure(entry(algo).config, settings)
    learner = build(algo, SPEC, "mlp:" + ",".join(["128"] * depth), config)
    return max(stage.activations for stage in measure_memory(learner, batch_of(1024)))


MAP = 1024 * 128 * 4  # one layer's activations of a batch


@pytest.mark.parametrize(
    ("algo", "settings", "a_layer"),
    [
        ("bp", {}, MAP),
        ("bp-ds", {}, MAP),
        ("dfa", {}, MAP),
        ("mf", {}, 4),
        ("mf", {"schedule": "sequential"}, 0),
        ("ff", {}, 12),  # a loss and two goodnesses
    ],
    ids=str,
)
def test_what_one_more_layer_keeps_alive_is_known_to_the_byte(
    algo: str, settings: dict[str, str], a_layer: int
) -> None:
    assert activations_of(algo, 7, **settings) - activations_of(algo, 5, **settings) == 2 * a_layer


def test_a_checkpointed_step_keeps_every_kth_activation_and_those_of_one_gap() -> None:
    every, fourth = activations_of("bp", 12), activations_of("bp", 12, checkpoint="4")
    assert every - fourth == 6 * MAP  # of 12, three are kept and three recomputed at a time


def test_micro_batches_keep_their_share_of_the_activations() -> None:
    whole, quarter = activations_of("bp", 6), activations_of("bp", 6, accumulate="4")
    assert quarter == pytest.approx(whole / 4, rel=0.01)


def test_sequential_mono_forward_holds_optimizer_state_for_the_active_layer_only() -> None:
    config = entry("mf").config(schedule="sequential")  # type: ignore[call-arg]
    stages = measure_memory(build("mf", SPEC, "mlp:100,100,100", config), batch_of(16))
    (bp,) = measure_memory(build("bp", SPEC, "mlp:100,100,100"), batch_of(16))
    assert [stage.stage for stage in stages] == ["layer1", "layer2", "layer3"]
    assert all(stage.optimizer_state < 0.55 * bp.optimizer_state for stage in stages)


def test_frozen_weights_take_memory_as_others_do() -> None:
    stages = measure_memory(build("cafo", SPEC, "conv:4,6"), batch_of(16))
    blocks = (9 * 1 + 1 + 2) * 4 + (9 * 4 + 1 + 2) * 6
    predictors = 10 * (4 * 16 + 6 * 4)
    assert {stage.parameters for stage in stages} == {4 * (blocks + predictors)}
    assert [stage.optimizer_state for stage in stages] == [0, 8 * 640 + 4, 8 * 240 + 4]  # one predictor's


def test_measuring_leaves_the_learner_as_it_was() -> None:
    learner = build("bp", SPEC, "mlp:20")
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    measure_memory(learner, batch_of(4))
    assert all(torch.equal(before[name], value) for name, value in learner.state_dict().items())
