from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from energyprof.errors import UsageError
from learners.algorithms.bp import BackpropagationConfig, backpropagation
from learners.algorithms.dfa import FeedbackAlignment, FeedbackAlignmentConfig


def make(make_blueprint, arch: str = "mlp:20,16,12", **settings: object) -> FeedbackAlignment:
    return FeedbackAlignment(make_blueprint(arch), FeedbackAlignmentConfig(lr=0.0, **settings))


def backward_gradients(make_blueprint, batch, arch: str) -> list[torch.Tensor]:
    bp = backpropagation(make_blueprint(arch), BackpropagationConfig(lr=0.0))
    bp.step(batch)
    return [p.grad for p in bp.parameters()]


def gradients(learner: FeedbackAlignment) -> list[torch.Tensor]:
    return [p.grad for layer in learner.layers for p in layer.parameters()]


def test_fa_with_the_forward_weights_is_backpropagation_at_any_depth(make_blueprint, make_batch):
    learner, batch = make(make_blueprint, rule="fa"), make_batch()
    with torch.no_grad():
        for matrix, layer in zip(learner.feedback, learner.layers[1:], strict=True):
            matrix.copy_(layer.weight)
    learner.step(batch)
    for ours, plain in zip(
        gradients(learner), backward_gradients(make_blueprint, batch, "mlp:20,16,12"), strict=True
    ):
        torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-6)


def test_dfa_with_the_heads_weights_is_backpropagation_with_one_hidden_layer(make_blueprint, make_batch):
    learner, batch = make(make_blueprint, "mlp:20"), make_batch()
    with torch.no_grad():
        learner.feedback[0].copy_(learner.layers[1].weight)
    learner.step(batch)
    for ours, plain in zip(
        gradients(learner), backward_gradients(make_blueprint, batch, "mlp:20"), strict=True
    ):
        torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rule", ["dfa", "fa"])
def test_hidden_gradients_are_what_the_rule_says(make_blueprint, make_batch, rule):
    learner, batch = make(make_blueprint, rule=rule), make_batch()
    inputs = [batch.x.flatten(1)]
    for layer in learner.layers[:-1]:
        inputs.append(F.relu(F.linear(inputs[-1], layer.weight, layer.bias)).detach())
    logits = F.linear(inputs[-1], learner.layers[-1].weight, learner.layers[-1].bias).detach()
    error = (logits.softmax(1) - F.one_hot(batch.y, 10)) / 32
    learner.step(batch)
    delta = error
    for index in (3, 2, 1, 0):
        torch.testing.assert_close(
            learner.layers[index].weight.grad, delta.t() @ inputs[index], rtol=1e-5, atol=1e-6
        )
        if index:
            delta = ((delta if rule == "fa" else error) @ learner.feedback[index - 1]) * (inputs[index] > 0)


def test_the_feedback_never_changes_and_is_no_trainable_parameter(make_blueprint, make_batch):
    learner = FeedbackAlignment(make_blueprint("mlp:20,16"), FeedbackAlignmentConfig())
    before = [matrix.clone() for matrix in learner.feedback]
    learner.step(make_batch())
    assert all(torch.equal(a, b) for a, b in zip(before, learner.feedback, strict=True))
    assert learner.parameter_count() == 64 * 20 + 20 + 20 * 16 + 16 + 16 * 10 + 10


def test_a_dfa_step_of_64_3x128_10_costs_176640_flops_a_sample_and_backpropagation_237056(
    make_blueprint, make_batch
):
    found = []
    arch = "mlp:128,128,128"
    for learner in (
        make(make_blueprint, arch),
        backpropagation(make_blueprint(arch), BackpropagationConfig()),
    ):
        with FlopCounterMode(display=False) as counter:
            learner.step(make_batch(size=4))
        found.append(counter.get_total_flops() // 4)
    assert found == [176_640, 237_056]


@pytest.mark.parametrize("arch", ["mlp:", "conv:4"])
def test_what_it_cannot_train_is_refused_in_one_line(make_blueprint, arch):
    with pytest.raises(UsageError, match="dfa cannot train"):
        make(make_blueprint, arch)
