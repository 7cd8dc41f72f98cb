from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from energyprof.errors import UsageError
from learners.algorithms.bp import BackpropagationConfig, backpropagation
from learners.algorithms.ladder import (
    DeepSupervision,
    DeepSupervisionConfig,
    MonoForwardJoint,
    MonoForwardJointConfig,
)
from learners.algorithms.mf import MonoForward, MonoForwardConfig


def deep(make_blueprint, arch: str = "mlp:20,16,12", **settings: object) -> DeepSupervision:
    return DeepSupervision(make_blueprint(arch), DeepSupervisionConfig(**settings))


def joint(make_blueprint, arch: str = "mlp:20,16,12", **settings: object) -> MonoForwardJoint:
    return MonoForwardJoint(make_blueprint(arch), MonoForwardJointConfig(**settings))


@pytest.mark.parametrize("make", [deep, joint])
@pytest.mark.parametrize("weight", [0.171, 9.5])
def test_gradients_equal_autograd_of_the_summed_loss(make_blueprint, make_batch, make, weight):
    learner, batch = make(make_blueprint, lr=0.0, auxiliary=weight), make_batch()
    names = [name for name, _ in learner.named_parameters()]
    leaves = {name: p.detach().clone().requires_grad_() for name, p in learner.named_parameters()}
    a, expected, local = batch.x.flatten(1), torch.zeros(()), []
    for number in (1, 2, 3):
        a = F.relu(F.linear(a, leaves[f"layer{number}.weight"], leaves[f"layer{number}.bias"]))
        if learner.head is None or number < 3:  # the head is the last layer's classifier
            local.append(F.cross_entropy(a @ leaves[f"projections.{number - 1}"].t(), batch.y))
            expected = expected + weight * local[-1]
    if learner.head is not None:
        expected = expected + F.cross_entropy(
            F.linear(a, leaves["head.weight"], leaves["head.bias"]), batch.y
        )
    expected.backward()
    told = learner.step(batch)
    torch.testing.assert_close(told["loss"], expected.detach())
    torch.testing.assert_close(told["local_loss"], torch.stack(local).detach())
    for name, parameter in learner.named_parameters():
        torch.testing.assert_close(parameter.grad, leaves[name].grad, rtol=1e-5, atol=1e-5)
    assert len(names) == len(leaves)


def test_deep_supervision_of_weight_zero_is_backpropagation_bit_for_bit(make_blueprint, make_batch):
    ours = deep(make_blueprint, auxiliary=0.0)
    bp = backpropagation(make_blueprint("mlp:20,16,12"), BackpropagationConfig())
    for seed in range(3):
        ours.step(make_batch(seed=seed))
        bp.step(make_batch(seed=seed))
    for layer, plain in zip((*ours.layers, ours.head), bp.layers, strict=True):
        assert torch.equal(layer.weight, plain.weight)
        assert torch.equal(layer.bias, plain.bias)


def test_joint_and_concurrent_mono_forward_are_one_with_a_single_layer(make_blueprint, make_batch):
    together = joint(make_blueprint, "mlp:20")
    local = MonoForward(make_blueprint("mlp:20"), MonoForwardConfig())
    for seed in range(3):
        together.step(make_batch(seed=seed))
        local.step(make_batch(seed=seed))
    assert torch.equal(together.layers[0].weight, local.layers[0].dense.weight)
    assert torch.equal(together.projections[0], local.layers[0].projection)


def test_with_more_layers_only_the_last_learns_as_in_concurrent_mono_forward(make_blueprint, make_batch):
    together, batch = joint(make_blueprint, "mlp:20,16"), make_batch()
    local = MonoForward(make_blueprint("mlp:20,16"), MonoForwardConfig())
    together.step(batch)
    local.step(batch)
    assert torch.equal(together.layers[1].weight, local.layers[1].dense.weight)
    assert not torch.equal(together.layers[0].weight, local.layers[0].dense.weight)  # it hears from above


def test_a_step_of_deep_supervision_costs_backpropagation_and_three_products_a_projection(
    make_blueprint, make_batch
):
    flops = []
    for learner in (
        deep(make_blueprint),
        backpropagation(make_blueprint("mlp:20,16,12"), BackpropagationConfig()),
    ):
        with FlopCounterMode(display=False) as counter:
            learner.step(make_batch(size=8))
        flops.append(counter.get_total_flops())
    assert flops[0] - flops[1] == 8 * 3 * 2 * 10 * (20 + 16)  # none on the last, which the head reads


def test_read_out_is_at_the_head_or_at_the_last_projection(make_blueprint, make_batch):
    batch = make_batch()
    for learner in (deep(make_blueprint, "mlp:20,12,12"), joint(make_blueprint, "mlp:20,12,12")):
        a = batch.x.flatten(1)
        for layer in learner.layers:
            a = F.relu(F.linear(a, layer.weight, layer.bias)).detach()
        head = learner.projections[-1] if learner.head is None else learner.head.weight
        bias = None if learner.head is None else learner.head.bias
        torch.testing.assert_close(learner.scores(batch.x), F.linear(a, head, bias).detach())


def test_deep_supervision_of_a_single_hidden_layer_is_refused_in_one_line(make_blueprint):
    with pytest.raises(UsageError, match="bp-ds cannot train 'mlp:20': it needs 2 hidden layers or more"):
        deep(make_blueprint, "mlp:20")


def test_the_weight_of_auxiliary_losses_is_by_default_the_tuned_one():
    assert DeepSupervisionConfig().auxiliary == 0.171


@pytest.mark.parametrize("arch", ["mlp:", "conv:4"])
@pytest.mark.parametrize("make", [deep, joint])
def test_what_they_cannot_train_is_refused_in_one_line(make_blueprint, make, arch):
    with pytest.raises(UsageError, match="cannot train"):
        make(make_blueprint, arch)
