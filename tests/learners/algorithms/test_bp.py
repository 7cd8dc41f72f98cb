from __future__ import annotations

import copy
from contextlib import nullcontext
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from energyprof.errors import UsageError
from learners.algorithms.bp import BackpropagationConfig, _micro_batches, backpropagation


def plain_net(bp) -> nn.Sequential:
    """The same net, written with torch's own layers."""
    layers: list[nn.Module] = [nn.Flatten()]
    for layer in bp.layers:
        linear = nn.Linear(layer.weight.shape[1], layer.weight.shape[0])
        linear.load_state_dict(layer.state_dict())
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("arch", ["mlp:20,16,12", "mlp:9", "mlp:"])
def test_gradients_equal_autograd(make_blueprint, make_batch, arch):
    bp, batch = backpropagation(make_blueprint(arch), BackpropagationConfig(lr=0.0)), make_batch()
    net = plain_net(bp)
    loss = F.cross_entropy(net(batch.x), batch.y)
    loss.backward()
    torch.testing.assert_close(bp.step(batch)["loss"], loss.detach())
    for ours, plain in zip(bp.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, plain.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("adam", lambda p: torch.optim.Adam(p, lr=1e-3, weight_decay=0.01)),
        ("adamw", lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=0.01)),
        ("sgd", lambda p: torch.optim.SGD(p, lr=1e-3, weight_decay=0.01, momentum=0.9)),
    ],
)
def test_training_equals_plain_torch(make_blueprint, make_batch, name, plain):
    config = BackpropagationConfig(optimizer=name, lr=1e-3, weight_decay=0.01)
    bp = backpropagation(make_blueprint("mlp:20,16"), config)
    net = plain_net(bp)
    optimizer = plain(net.parameters())
    for seed in range(4):
        batch = make_batch(seed=seed)
        bp.step(batch)
        optimizer.zero_grad()
        F.cross_entropy(net(batch.x), batch.y).backward()
        optimizer.step()
    for ours, theirs in zip(bp.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=2e-5)


def test_convolutional_steps_equal_plain_torch(make_blueprint, make_batch):
    bp = backpropagation(make_blueprint("conv:4,6"), BackpropagationConfig(optimizer="sgd", lr=0.1))
    twin = copy.deepcopy(bp)
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1, momentum=0.9)
    for seed in range(3):
        batch = make_batch(seed=seed)
        h = batch.x
        for block in twin.blocks:
            h = block.norm(F.max_pool2d(F.relu(F.conv2d(h, block.weight, block.bias, padding=1)), 2))
        optimizer.zero_grad()
        F.cross_entropy(F.linear(h.flatten(1), twin.head.weight, twin.head.bias), batch.y).backward()
        optimizer.step()
        bp.step(batch)
    for ours, theirs in zip(bp.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=2e-5)


def test_a_convolutional_net_is_scored_by_its_running_statistics(make_blueprint, make_batch):
    bp = backpropagation(make_blueprint("conv:4,6"), BackpropagationConfig())
    bp.step(make_batch())
    h = make_batch(size=3, seed=1).x
    for block in bp.blocks:
        norm = block.norm
        h = F.max_pool2d(F.relu(F.conv2d(h, block.weight, block.bias, padding=1)), 2)
        h = F.batch_norm(h, norm.running_mean, norm.running_var, norm.weight, norm.bias)
    before = copy.deepcopy(bp.state_dict())
    expected = F.linear(h.flatten(1), bp.head.weight, bp.head.bias).detach()
    torch.testing.assert_close(bp.scores(make_batch(size=3, seed=1).x), expected)
    assert all(torch.equal(before[name], value) for name, value in bp.state_dict().items())


@pytest.mark.parametrize("widths", [(20, 16, 12), (30,), (16, 16)])
def test_a_step_costs_three_forward_passes_less_the_gradient_of_the_input(make_blueprint, make_batch, widths):
    bp = backpropagation(make_blueprint("mlp:" + ",".join(map(str, widths))), BackpropagationConfig())
    batch, sizes = make_batch(size=8), (64, *widths, 10)
    forward = sum(2 * i * o for i, o in pairwise(sizes))
    with FlopCounterMode(display=False) as counter:
        bp.step(batch)
    assert counter.get_total_flops() == 8 * (3 * forward - 2 * sizes[0] * sizes[1])


def test_scores_are_the_logits_of_the_net(make_blueprint, make_batch):
    bp, batch = backpropagation(make_blueprint("mlp:20,16"), BackpropagationConfig()), make_batch()
    torch.testing.assert_close(bp.scores(batch.x), plain_net(bp)(batch.x).detach())


@pytest.mark.parametrize("every", [1, 2, 3, 9])
def test_checkpointing_changes_no_bit_and_costs_what_it_recomputes(make_blueprint, make_batch, every):
    flops = []
    states = []
    for checkpoint in (0, every):
        config = BackpropagationConfig(checkpoint=checkpoint)
        bp = backpropagation(make_blueprint("mlp:20,16,12,14,18"), config)
        with FlopCounterMode(display=False) as counter:
            bp.step(make_batch(size=8))
        flops.append(counter.get_total_flops())
        states.append([p.detach().clone() for p in bp.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*states, strict=True))
    sizes = (64, 20, 16, 12, 14, 18)
    recomputed = [2 * 8 * sizes[i - 1] * sizes[i] for i in range(1, 6) if i % every]
    assert flops[1] - flops[0] == sum(recomputed)


@pytest.mark.parametrize("count", [2, 3, 32, 100])
def test_accumulated_gradients_equal_those_of_the_whole_batch(make_blueprint, make_batch, count):
    whole, parts = (
        backpropagation(make_blueprint("mlp:20,16"), BackpropagationConfig(lr=0.0, accumulate=n))
        for n in (1, count)
    )
    losses = [bp.step(make_batch())["loss"] for bp in (whole, parts)]
    torch.testing.assert_close(losses[0], losses[1])
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("rows", "count", "sizes"), [(32, 5, [7, 7, 6, 6, 6]), (32, 20, [2] * 12 + [1] * 8)])
@pytest.mark.parametrize("arch", ["mlp:20", "conv:4"])
def test_a_batch_is_cut_into_as_many_micro_batches_as_were_asked_for(
    make_blueprint, make_batch, arch, rows, count, sizes
):
    bp, seen = backpropagation(make_blueprint(arch), BackpropagationConfig(accumulate=count)), []
    batch = make_batch(rows)
    bp.phase = lambda name: seen.append(name) or nullcontext()
    bp.step(batch)
    assert [name for name in seen if name == "forward"] == ["forward"] * count
    assert [len(part.y) for part in _micro_batches(batch, count)] == sizes


def test_accumulation_with_batch_normalisation_sees_statistics_of_micro_batches(make_blueprint, make_batch):
    bp, batch = backpropagation(make_blueprint("conv:4"), BackpropagationConfig(accumulate=2)), make_batch()
    twin = copy.deepcopy(bp)
    halves = zip(batch.x.chunk(2), batch.y.chunk(2), strict=True)
    losses = [F.cross_entropy(twin.train()(x), y).detach() for x, y in halves]
    torch.testing.assert_close(bp.step(batch)["loss"], torch.stack(losses).mean())


def test_checkpointing_a_convolutional_net_is_refused_in_one_line(make_blueprint):
    with pytest.raises(UsageError, match="checkpoint=2 goes with mlp only"):
        backpropagation(make_blueprint("conv:4"), BackpropagationConfig(checkpoint=2))
