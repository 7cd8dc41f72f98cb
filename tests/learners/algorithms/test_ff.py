from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from energyprof.errors import UsageError
from learners.algorithms.ff import ForwardForward, ForwardForwardConfig
from learners.base import Batch

Make = Callable[..., ForwardForward]


@pytest.fixture
def make_ff(make_blueprint) -> Make:
    def make(arch: str = "mlp:20,16,12", **settings: object) -> ForwardForward:
        return ForwardForward(make_blueprint(arch), ForwardForwardConfig(**settings))

    return make


class StraightThroughRelu(torch.autograd.Function):
    """ReLU whose backward is the identity."""

    @staticmethod
    def forward(ctx: object, z: Tensor) -> Tensor:
        return z.clamp(min=0)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return gradient


def normalised(a: Tensor) -> Tensor:
    return a / (a.pow(2).mean(1, keepdim=True).sqrt() + 1e-8)


def labelled(x: Tensor, y: Tensor, classes: int = 10) -> Tensor:
    x = x.flatten(1).clone()
    x[:, :classes] = F.one_hot(y, classes).to(x.dtype)
    return x


def reference_loss(layer, h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """L_i as the paper writes it, positive rows first; its gradient comes from autograd."""
    config, half = layer.config, h.shape[0] // 2
    a = StraightThroughRelu.apply(F.linear(h, weight, bias))
    goodness = a.pow(2).sum(1) if config.goodness == "sum" else a.pow(2).mean(1)
    if config.loss == "symba":
        loss = F.softplus(-config.alpha * (goodness[:half] - goodness[half:])).mean()
    else:
        target = torch.cat([torch.ones(half), torch.zeros(half)])
        loss = 2 * F.binary_cross_entropy_with_logits(goodness - layer.threshold, target)
    if config.peer:
        activity = 0.9 * layer.activity + 0.1 * a[:half].mean(0)
        loss = loss + config.peer * (activity.mean() - activity).pow(2).mean()
    return loss


SETTINGS = [
    {},
    {"goodness": "mean"},
    {"threshold": 3.0},
    {"loss": "symba", "alpha": 2.0},
    {"peer": 0.03},
    {"goodness": "mean", "loss": "symba", "peer": 0.5},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_closed_form_gradients_and_loss_equal_autograd_of_the_bce_form(make_ff, settings):
    layer = make_ff(**settings).layers[1]
    h = normalised(torch.rand(24, 20, generator=torch.Generator().manual_seed(1)))
    weight, bias = (p.detach().clone().requires_grad_() for p in (layer.dense.weight, layer.dense.bias))
    expected = reference_loss(layer, h, weight, bias)
    expected.backward()
    with torch.no_grad():
        loss = layer.set_gradient(*layer(h), h)
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(layer.dense.weight.grad, weight.grad, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(layer.dense.bias.grad, bias.grad, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "thresholds"),
    [
        ({}, [20.0, 16.0, 12.0]),
        ({"goodness": "mean"}, [2.0, 2.0, 2.0]),
        ({"threshold": 0.0}, [0.0, 0.0, 0.0]),
        ({"threshold": 3.0, "goodness": "mean"}, [3.0, 3.0, 3.0]),
    ],
)
def test_the_threshold_is_the_width_for_the_sum_and_two_for_the_mean(make_ff, settings, thresholds):
    assert [layer.threshold for layer in make_ff(**settings).layers] == thresholds


def test_the_running_activity_starts_at_a_half_and_follows_positive_rows(make_ff, make_batch):
    ff, batch = make_ff(peer=0.03), make_batch()
    layer = ff.layers[0]
    h = normalised(labelled(batch.x, batch.y))
    expected = 0.9 * 0.5 + 0.1 * F.relu(F.linear(h, layer.dense.weight, layer.dense.bias)).mean(0)
    ff.step(batch)
    torch.testing.assert_close(layer.activity, expected.detach())


def test_a_step_tells_the_goodness_of_both_halves_by_layer(make_ff, make_batch):
    ff, batch = make_ff(lr=0.0), make_batch()
    halves, told_of = [], ff._halves
    ff._halves = lambda *given: halves.append(told_of(*given)) or halves[-1]
    told, h = ff.step(batch), halves[0]
    for index, layer in enumerate(ff.layers):
        a = F.relu(F.linear(h, layer.dense.weight, layer.dense.bias)).detach()
        positive, negative = a.pow(2).sum(1).chunk(2)
        torch.testing.assert_close(told["positive_goodness"][index], positive.mean())
        torch.testing.assert_close(told["negative_goodness"][index], negative.mean())
        h = normalised(a)


def test_peer_normalisation_revives_a_dead_unit(make_ff):
    gradients = []
    for peer in (0.0, 0.03):
        layer = make_ff(peer=peer).layers[1]
        with torch.no_grad():
            layer.dense.weight[3] = 0.0
            layer.dense.bias[3] = -5.0
            h = normalised(torch.rand(24, 20, generator=torch.Generator().manual_seed(1)))
            layer.set_gradient(*layer(h), h)
        gradients.append(layer.dense.bias.grad[3].item())
    assert gradients[0] == 0.0
    assert gradients[1] < 0.0  # descent raises the bias


@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
def test_a_step_equals_a_textbook_step_with_the_same_wrong_labels(
    make_ff, make_batch, monkeypatch, weight_decay
):
    ff, batch = make_ff(weight_decay=weight_decay), make_batch()
    wrong = (batch.y + 3) % 10
    monkeypatch.setattr(ff, "_wrong_labels", lambda y: wrong)
    twin = copy.deepcopy(ff)
    told, losses = ff.step(batch), []
    h = normalised(torch.cat([labelled(batch.x, batch.y), labelled(batch.x, wrong)]))
    for layer in twin.layers:
        optimizer = torch.optim.AdamW(layer.parameters(), lr=1e-3, weight_decay=weight_decay)
        losses.append(reference_loss(layer, h.detach(), layer.dense.weight, layer.dense.bias))
        losses[-1].backward()
        h = normalised(F.relu(F.linear(h.detach(), layer.dense.weight, layer.dense.bias)))
        optimizer.step()
    torch.testing.assert_close(told["local_loss"], torch.stack(losses).detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(told["loss"], torch.stack(losses).detach().mean(), rtol=1e-5, atol=1e-5)
    for ours, plain in zip(ff.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=2e-5)


def test_the_update_of_one_layer_touches_no_other(make_ff):
    ff = make_ff()
    h = normalised(torch.rand(24, 20))
    before = {name: value.clone() for name, value in ff.state_dict().items()}
    with torch.no_grad():
        ff._learn(1, ff.layers[1], h)
    after = ff.state_dict()
    assert {name.split(".")[0] for name in after if not torch.equal(before[name], after[name])} == {"layer2"}
    assert all(p.grad is None for p in ff.parameters())


def test_wrong_labels_are_never_right_and_reach_every_other_class(make_ff):
    ff, y = make_ff(), torch.arange(10).repeat(200)
    for wrong in (ff._wrong_labels(y), make_ff(negatives="hard")._confused_labels(torch.zeros(2000, 10), y)):
        assert bool((wrong != y).all())
        assert len(set(zip(y.tolist(), wrong.tolist(), strict=True))) == 90


def test_hard_negatives_follow_the_heads_confusions(make_ff):
    ff, y = make_ff(negatives="hard"), torch.zeros(400, dtype=torch.int64)
    logits = torch.zeros(400, 10)
    logits[:, 0], logits[:, 7] = 30.0, 20.0  # sure of the right label, and of 7 among the wrong ones
    assert bool((ff._confused_labels(logits, y) == 7).all())


def test_hard_negatives_are_drawn_from_the_heads_softmax(make_ff):
    ff, y = make_ff(negatives="hard"), torch.zeros(4000, dtype=torch.int64)
    logits = torch.zeros(4000, 10)
    logits[:, 0], logits[:, 7] = 30.0, 2.0794  # 7 is 8 times as likely as each of the 8 other wrong ones
    shares = torch.bincount(ff._confused_labels(logits, y), minlength=10) / 4000
    assert shares[0] == 0
    assert float(shares[7]) == pytest.approx(0.5, abs=0.032)  # 4 standard errors
    assert shares[[1, 2, 3, 4, 5, 6, 8, 9]].tolist() == pytest.approx([1 / 16] * 8, abs=0.016)


@pytest.mark.parametrize(("negatives", "confused"), [("hard", True), ("uniform", False)])
def test_a_step_takes_its_wrong_labels_from_where_it_should(make_ff, make_batch, negatives, confused):
    ff, batch, seen = make_ff(negatives=negatives, inference="one-pass"), make_batch(), []
    halves = ff._halves
    ff._halves = lambda x, y, wrong: seen.append(wrong) or halves(x, y, wrong)
    with torch.no_grad():
        ff.head.bias[7] = 50.0  # the head takes everything for a 7
    ff.step(batch)
    others = batch.y != 7
    assert bool((seen[0] != batch.y).all())
    assert bool((seen[0][others] == 7).all()) == confused


@pytest.mark.parametrize("goodness", ["sum", "mean"])
def test_label_trial_scores_are_the_goodness_of_layers_two_and_up(make_ff, make_batch, goodness):
    ff, batch = make_ff("mlp:20,16,6", goodness=goodness), make_batch(size=6)
    expected = torch.zeros(6, 10)
    for label in range(10):
        h = normalised(labelled(batch.x, torch.full((6,), label)))
        for index, layer in enumerate(ff.layers):
            a = F.relu(F.linear(h, layer.dense.weight, layer.dense.bias))
            if index:
                squares = a.pow(2).detach()
                expected[:, label] += squares.sum(1) if goodness == "sum" else squares.mean(1)
            h = normalised(a)
    torch.testing.assert_close(ff.scores(batch.x), expected, rtol=1e-5, atol=1e-4)


def test_a_single_layer_is_read_itself(make_ff, make_batch):
    ff, batch = make_ff("mlp:16"), make_batch(size=4)
    assert float(ff.scores(batch.x).std()) > 0


def test_the_head_learns_from_passes_that_carry_a_neutral_label(make_ff, make_batch):
    ff, batch = make_ff(inference="one-pass"), make_batch()
    with torch.no_grad():
        features = ff._features(batch.x.flatten(1))
        other = batch.x.flatten(1).clone()
        other[:, :10] = torch.rand(32, 10)  # whatever stood in the label's place cannot matter
        torch.testing.assert_close(ff._features(other), features)
    assert features.shape == (32, 16 + 12)
    expected = torch.zeros(10, 28, requires_grad=True)
    F.cross_entropy(F.linear(features, expected), batch.y).backward()
    with torch.no_grad():
        ff._learn_head(ff.head, batch.x.flatten(1), batch.y)
    torch.testing.assert_close(ff.head.weight.grad, expected.grad, rtol=1e-5, atol=1e-6)


def features_for_a_neutral_label(ff: ForwardForward, x: Tensor) -> Tensor:
    """What the head reads, by torch's own functions."""
    x, found = x.flatten(1).clone(), []
    x[:, :10] = 0.1
    h = normalised(x)
    for layer in ff.layers:
        h = normalised(F.relu(F.linear(h, layer.dense.weight, layer.dense.bias)))
        found.append(h.detach())
    return torch.cat(found[1:], 1)


@pytest.mark.parametrize("settings", [{}, {"head_lr": 0.05, "head_weight_decay": 0.5}], ids=str)
def test_a_step_updates_the_head_as_plain_adamw_would(make_ff, make_batch, settings):
    ff = make_ff(inference="one-pass", **settings)
    asked = {"head_lr": 1e-2, "head_weight_decay": 3e-3} | settings
    weight, bias = torch.zeros(10, 28, requires_grad=True), torch.zeros(10, requires_grad=True)
    optimizer = torch.optim.AdamW(
        [weight, bias], lr=asked["head_lr"], weight_decay=asked["head_weight_decay"]
    )
    for seed in range(3):
        batch = make_batch(seed=seed)
        features = features_for_a_neutral_label(ff, batch.x)
        optimizer.zero_grad()
        F.cross_entropy(F.linear(features, weight, bias), batch.y).backward()
        optimizer.step()
        ff.step(batch)
    torch.testing.assert_close(ff.head.weight.detach(), weight.detach(), rtol=1e-4, atol=2e-5)
    torch.testing.assert_close(ff.head.bias.detach(), bias.detach(), rtol=1e-4, atol=2e-5)


def test_one_pass_scores_are_the_heads_and_hard_negatives_alone_leave_the_label_trial(make_ff, make_batch):
    one_pass, hard, plain, batch = (
        *(make_ff(inference="one-pass"), make_ff(negatives="hard"), make_ff()),
        make_batch(size=6),
    )
    with torch.no_grad():
        one_pass.head.weight.normal_(generator=torch.Generator().manual_seed(1))
        hard.head.weight.copy_(one_pass.head.weight)
    expected = F.linear(features_for_a_neutral_label(one_pass, batch.x), one_pass.head.weight)
    torch.testing.assert_close(one_pass.scores(batch.x), expected.detach(), rtol=1e-5, atol=1e-5)
    assert torch.equal(hard.scores(batch.x), plain.scores(batch.x))


def test_without_one_pass_inference_or_hard_negatives_there_is_no_head(make_ff):
    assert make_ff().head is None
    assert make_ff(negatives="hard").head is not None


def test_the_learning_rates_fall_linearly_over_the_second_half(make_ff):
    ff = make_ff(lr=0.4, inference="one-pass", head_lr=0.8)
    rates = []
    for epoch in range(10):
        ff.on_epoch(epoch, 10)
        assert len({optimizer.lr for optimizer in ff._optimizers}) == 1
        rates.append(ff._optimizers[0].lr)
    assert rates == pytest.approx([0.4] * 6 + [0.32, 0.24, 0.16, 0.08])
    assert ff._head_optimizer.lr == pytest.approx(0.16)


def test_without_cool_down_they_stay(make_ff):
    ff = make_ff(lr=0.4, cooldown=False)
    ff.on_epoch(9, 10)
    assert {optimizer.lr for optimizer in ff._optimizers} == {0.4}


def test_rates_and_decays_that_are_not_asked_for_are_those_of_the_published_code():
    config = ForwardForwardConfig()
    assert (config.lr, config.weight_decay, config.momentum) == (1e-3, 3e-4, 0.9)
    assert (config.head_lr, config.head_weight_decay) == (1e-2, 3e-3)


@pytest.mark.parametrize(("init", "fans"), [("fan-in", (64, 400)), ("fan-out", (400, 300))])
def test_first_weights_are_normal_by_the_fan_asked_for_and_all_else_begins_at_zero(make_ff, init, fans):
    ff = make_ff("mlp:400,300", init=init, inference="one-pass")
    for layer, fan in zip(ff.layers, fans, strict=True):
        weight = layer.dense.weight.detach()
        assert float(weight.std()) == pytest.approx(fan**-0.5, rel=0.03)
        assert float((weight.abs() < fan**-0.5).float().mean()) == pytest.approx(0.683, abs=0.01)  # normal
        assert not layer.dense.bias.any()
    assert not ff.head.weight.any()
    assert not ff.head.bias.any()


def test_the_validation_loss_is_the_mean_over_layers_for_every_wrong_label_in_turn(make_ff, make_batch):
    ff, batch = make_ff(), make_batch()
    wrong = torch.tensor([(int(y) + 1 + row % 9) % 10 for row, y in enumerate(batch.y)])
    h = normalised(torch.cat([labelled(batch.x, batch.y), labelled(batch.x, wrong)]))
    losses = []
    for layer in ff.layers:
        losses.append(reference_loss(layer, h, layer.dense.weight, layer.dense.bias).detach())
        h = normalised(F.relu(F.linear(h, layer.dense.weight, layer.dense.bias)).detach())
    torch.testing.assert_close(ff.loss(batch), torch.stack(losses).mean(), rtol=1e-5, atol=1e-5)


def test_the_validation_loss_changes_nothing_and_repeats(make_ff, make_batch):
    ff, batch = make_ff(), make_batch()
    before = copy.deepcopy(ff.state_dict())
    assert torch.equal(ff.loss(batch), ff.loss(batch))
    assert all(torch.equal(before[name], value) for name, value in ff.state_dict().items())


def test_constant_images_give_finite_losses(make_ff):
    ff = make_ff()
    losses = ff.step(Batch(torch.zeros(8, 1, 8, 8), torch.arange(8)))
    assert bool(torch.isfinite(losses["loss"]))


@pytest.mark.parametrize(
    ("arch", "shape", "classes", "message"),
    [
        ("mlp:", (1, 8, 8), 10, "ff cannot train 'mlp:'"),
        ("conv:8", (1, 8, 8), 10, "ff cannot train 'conv:8': it needs mlp layers"),
        ("mlp:8", (1, 2, 2), 10, "ff cannot write 10 labels into 4 pixels"),
    ],
)
def test_what_it_cannot_train_is_refused_in_one_line(make_blueprint, arch, shape, classes, message):
    with pytest.raises(UsageError, match=message):
        ForwardForward(make_blueprint(arch, shape, classes), ForwardForwardConfig())
