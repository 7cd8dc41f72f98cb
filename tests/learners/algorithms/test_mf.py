from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from energyprof.errors import UsageError
from learners.algorithms.mf import MonoForward, MonoForwardConfig
from learners.base import Batch

Make = Callable[..., MonoForward]


@pytest.fixture
def make_mf(make_blueprint) -> Make:
    def make(arch: str = "mlp:20,16,12", **settings: object) -> MonoForward:
        return MonoForward(make_blueprint(arch), MonoForwardConfig(**settings))

    return make


def reference_gradients(mf: MonoForward, batch: Batch) -> list[dict[str, torch.Tensor]]:
    """One autograd backward a layer, its input detached: the definition of the algorithm."""
    a, gradients = batch.x.flatten(1), []
    for layer in mf.layers:
        weight, bias, projection = (
            p.detach().clone().requires_grad_()
            for p in (layer.dense.weight, layer.dense.bias, layer.projection)
        )
        a = F.relu(F.linear(a.detach(), weight, bias))
        loss = F.cross_entropy(a @ projection.t(), batch.y)
        found = torch.autograd.grad(loss, (weight, bias, projection))
        gradients.append(dict(zip(("weight", "bias", "projection"), found, strict=True)))
    return gradients


def gradients_of(layer) -> dict[str, torch.Tensor]:
    return {
        "weight": layer.dense.weight.grad,
        "bias": layer.dense.bias.grad,
        "projection": layer.projection.grad,
    }


def snapshot(mf: MonoForward) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in mf.state_dict().items()}


def changed(before: dict[str, torch.Tensor], mf: MonoForward) -> set[str]:
    return {
        name.split(".")[0] for name, value in mf.state_dict().items() if not torch.equal(before[name], value)
    }


def test_closed_form_gradients_equal_autograd_of_each_layer_alone(make_mf, make_batch):
    mf, batch = make_mf(), make_batch()
    a = batch.x.flatten(1)
    for layer, expected in zip(mf.layers, reference_gradients(mf, batch), strict=True):
        with torch.no_grad():
            out = layer(a)
            layer.set_gradient(out, a, batch.y)
        for name, gradient in gradients_of(layer).items():
            torch.testing.assert_close(gradient, expected[name], rtol=1e-5, atol=1e-6)
        a = out


@pytest.mark.parametrize("settings", [{}, {"lr": 3e-3, "weight_decay": 0.3}], ids=str)
def test_a_concurrent_step_equals_separate_backwards_with_plain_adamw(make_mf, make_batch, settings):
    mf, batch = make_mf(**settings), make_batch()
    twin = copy.deepcopy(mf)
    asked = {"lr": 5e-4, "weight_decay": 0.0} | settings
    optimizers = [torch.optim.AdamW(layer.parameters(), **asked) for layer in twin.layers]
    for _ in range(3):
        mf.step(batch)
        for layer, optimizer, found in zip(
            twin.layers, optimizers, reference_gradients(twin, batch), strict=True
        ):
            layer.dense.weight.grad, layer.dense.bias.grad = found["weight"], found["bias"]
            layer.projection.grad = found["projection"]
            optimizer.step()
    for ours, plain in zip(mf.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=2e-5)


def test_the_loss_of_a_step_is_the_mean_of_the_local_cross_entropies(make_mf, make_batch):
    mf, batch = make_mf(), make_batch()
    a, losses = batch.x.flatten(1), []
    for layer in mf.layers:
        a = layer(a)
        losses.append(F.cross_entropy(layer.goodness(a), batch.y))
    told = mf.step(batch)
    torch.testing.assert_close(told["loss"], torch.stack(losses).mean())
    torch.testing.assert_close(told["local_loss"], torch.stack(losses))


@pytest.mark.parametrize("arch", ["mlp:20,16,12", "conv:4,6,8"])
def test_the_update_of_one_layer_touches_no_other(make_mf, make_batch, arch):
    mf, batch = make_mf(arch, schedule="sequential"), make_batch()
    for number, stage in enumerate(mf.stages(), start=1):
        before = snapshot(mf)
        stage.step(batch)
        assert changed(before, mf) == {f"layer{number}"}
        assert all(p.grad is None for p in mf.parameters())


def test_sequential_training_holds_optimizer_state_for_the_layer_in_training_only(make_mf, make_batch):
    mf, batch = make_mf(schedule="sequential"), make_batch()
    for layer, stage in zip(mf.layers, mf.stages(), strict=True):
        stage.step(batch)
        held = sum(optimizer.state_bytes for optimizer in mf._optimizers.values())
        own = sum(p.numel() for p in layer.parameters())
        assert held == 2 * 4 * own + 3 * 4  # two moments and the step counters
    assert not mf._optimizers


def test_the_pipelined_schedule_ends_with_the_weights_of_the_concurrent_one(make_mf, make_batch):
    concurrent, pipelined = make_mf(), make_mf(schedule="pipelined")
    stage = next(stages := pipelined.stages())
    for seed in range(5):
        batch = make_batch(seed=seed)
        concurrent.step(batch)
        stage.step(batch)
    assert changed(snapshot(concurrent), pipelined) == {"layer2", "layer3"}  # they are still behind
    assert next(stages, None) is None
    assert not changed(snapshot(concurrent), pipelined)


def test_in_a_pipeline_layer_i_works_on_the_batch_of_i_steps_ago(make_mf, make_batch):
    mf = make_mf(schedule="pipelined")
    for number in range(1, 4):
        before = snapshot(mf)
        mf.step(make_batch(seed=number))
        assert changed(before, mf) == {f"layer{i}" for i in range(1, number + 1)}


def test_a_full_pipeline_tells_the_mean_of_the_losses_of_the_batches_in_it(make_mf, make_batch):
    mf = make_mf(schedule="pipelined", lr=0.0)
    batches = [make_batch(seed=number) for number in range(3)]
    told = [mf.step(batch)["loss"] for batch in batches]
    losses = []
    for depth, batch in enumerate(reversed(batches)):  # layer 1 holds the newest, layer 3 the oldest
        a = mf._below(depth + 1, batch.x)
        losses.append(F.cross_entropy(mf.layers[depth].goodness(a), batch.y))
    torch.testing.assert_close(told[-1], torch.stack(losses).mean())


def test_a_convolutional_step_equals_a_backward_of_each_block_alone_with_plain_adam(make_mf, make_batch):
    mf = make_mf("conv:4,6", lr=2e-3)
    twin = copy.deepcopy(mf)
    optimizers = [torch.optim.Adam(layer.parameters(), lr=2e-3) for layer in twin.layers]
    for seed in range(2):
        batch = make_batch(seed=seed)
        a, losses = batch.x, []
        for layer, optimizer in zip(twin.layers, optimizers, strict=True):
            optimizer.zero_grad()
            block = layer.block
            a = F.max_pool2d(F.relu(F.conv2d(a.detach(), block.weight, block.bias, padding=1)), 2)
            losses.append(F.cross_entropy(F.linear(a.flatten(1), layer.projection), batch.y))
            losses[-1].backward()
            optimizer.step()
        torch.testing.assert_close(mf.step(batch)["local_loss"], torch.stack(losses).detach())
    for ours, plain in zip(mf.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=2e-5)


def test_no_graph_is_carried_from_block_to_block(make_mf, make_batch):
    mf, batch = make_mf("conv:4,6"), make_batch()
    first = mf.layers[0].activate(batch.x)
    second = mf.layers[1].activate(first)
    below = torch.autograd.grad(second.sum(), list(mf.layers[0].parameters()), allow_unused=True)
    assert below == (None, None, None)
    passed_on, _ = mf._learn(0, batch.x, batch.y)
    assert not passed_on.requires_grad  # the graph of a block that is done is not kept alive


@pytest.mark.parametrize("arch", ["mlp:300,200", "conv:12,16"])
def test_first_weights_and_projections_are_kaiming_uniform(make_mf, arch):
    for layer in make_mf(arch).layers:
        drawn = [layer.projection] if arch.startswith("conv") else [layer.projection, layer.dense.weight]
        for weight in drawn:
            bound = (6 / weight.shape[1]) ** 0.5
            assert 0.97 * bound < float(weight.detach().abs().max()) <= bound
            assert float(weight.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.1)


def test_convolutional_gradients_stay_inside_their_block(make_mf, make_batch):
    mf, batch = make_mf("conv:4,6"), make_batch()
    first = mf.layers[0].activate(batch.x)
    second = mf.layers[1].activate(first)
    assert first.grad_fn is not None
    assert second.grad_fn is not None
    mf.layers[1].set_gradient(second, first, batch.y)
    assert all(p.grad is None for p in mf.layers[0].parameters())
    assert all(p.grad is not None for p in mf.layers[1].parameters())


def test_scores_are_the_sum_or_the_last_of_the_goodnesses(make_mf, make_batch):
    mf, batch = make_mf(), make_batch()
    a, goodness = batch.x.flatten(1), []
    for layer in mf.layers:
        a = layer(a)
        goodness.append(layer.goodness(a))
    torch.testing.assert_close(mf.scores(batch.x), sum(goodness))
    torch.testing.assert_close(make_mf(prediction="last").scores(batch.x), goodness[-1])


def test_scores_between_stages_use_the_trained_layers_only(make_mf, make_batch):
    mf, batch = make_mf(schedule="sequential", prediction="last"), make_batch()
    next(mf.stages())
    first = mf.layers[0]
    torch.testing.assert_close(mf.scores(batch.x), first.goodness(first(batch.x.flatten(1))))


def test_a_stage_is_watched_by_the_loss_of_its_own_layer(make_mf, make_batch):
    mf, batch = make_mf(schedule="sequential"), make_batch()
    for stage in mf.stages():
        scores, watched = stage.top.judge(stage.top.below(batch.x), batch.y)
        assert torch.equal(scores, mf.scores(batch.x))
        torch.testing.assert_close(stage.step(batch)["loss"], watched)


def test_a_net_without_hidden_layers_is_refused_in_one_line(make_mf):
    with pytest.raises(UsageError, match="mf cannot train 'mlp:': it needs 1 hidden layer"):
        make_mf("mlp:")


def test_similarity_matching_gradients_equal_autograd(make_mf, make_batch):
    mf, batch = make_mf("mlp:20", predsim=0.9), make_batch()
    layer, x = mf.layers[0], batch.x.flatten(1)
    leaves = [p.detach().clone().requires_grad_() for p in layer.parameters()]
    names = [name for name, _ in layer.named_parameters()]
    of = dict(zip(names, leaves, strict=True))
    a = F.relu(F.linear(x, of["dense.weight"], of["dense.bias"]))
    u = a @ of["similarity"].t()
    likeness = [
        F.cosine_similarity(v[:, None], v[None], dim=2) for v in centred(u, F.one_hot(batch.y, 10).float())
    ]
    matching = (likeness[0] - likeness[1]).square().mean()
    expected = 0.1 * F.cross_entropy(a @ of["projection"].t(), batch.y) + 0.9 * matching
    expected.backward()
    with torch.no_grad():
        loss = layer.set_gradient(layer(x), x, batch.y)
    torch.testing.assert_close(loss, expected.detach())
    for name, parameter in layer.named_parameters():
        torch.testing.assert_close(parameter.grad, of[name].grad, rtol=1e-5, atol=1e-6)


def centred(*rows: torch.Tensor) -> list[torch.Tensor]:
    return [r - r.mean(1, keepdim=True) for r in rows]


def test_similarity_matching_alone_is_refused_in_one_line(make_mf):
    with pytest.raises(UsageError, match="predsim=1 leaves the projections"):
        make_mf("mlp:20", predsim=1.0)


def test_similarity_matching_on_blocks_is_refused_in_one_line(make_mf):
    with pytest.raises(UsageError, match=r"predsim=0\.9 goes with mlp only, seen 'conv:4'"):
        make_mf("conv:4", predsim=0.9)
