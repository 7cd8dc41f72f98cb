from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from energyprof.errors import DataError, TrainingFailed, UsageError
from learners.algorithms import cafo_feedback
from learners.algorithms.cafo import CascadedForward, CascadedForwardConfig
from learners.base import Batch
from learners.networks.losses import sparsemax, sparsemax_error

Make = Callable[..., CascadedForward]


@pytest.fixture
def make_cafo(make_blueprint) -> Make:
    def make(
        arch: str = "conv:4,6,8", shape: tuple[int, int, int] = (1, 8, 8), **settings: object
    ) -> CascadedForward:
        return CascadedForward(make_blueprint(arch, shape), CascadedForwardConfig(**settings))

    return make


def features(cafo: CascadedForward, x: torch.Tensor) -> list[torch.Tensor]:
    """H_1, H_2 ... by torch's own functions, with the frozen statistics."""
    found = []
    for block in cafo.blocks:
        x = F.max_pool2d(F.relu(F.conv2d(x, block.weight, block.bias, padding=1)), 2)
        x = F.batch_norm(
            x, block.norm.running_mean, block.norm.running_var, block.norm.weight, block.norm.bias
        )
        found.append(x.flatten(1).detach())
    return found


def test_stages_are_the_statistics_and_then_one_for_each_predictor(make_cafo, make_batch):
    cafo, batch, names = make_cafo(), make_batch(), []
    for stage in cafo.stages():
        names.append((stage.name, stage.epochs))
        stage.step(batch)
    assert names == [("statistics", 1), ("predictor1", None), ("predictor2", None), ("predictor3", None)]


def test_statistics_are_the_average_over_the_pass_and_then_stay(make_cafo, make_batch):
    cafo, batches = make_cafo(), [make_batch(seed=s) for s in range(3)]
    stages = cafo.stages()
    stage, block = next(stages), cafo.blocks[0]
    for batch in batches:
        stage.step(batch)
    pooled = [F.max_pool2d(F.relu(F.conv2d(b.x, block.weight, block.bias, padding=1)), 2) for b in batches]
    means = torch.stack([h.mean((0, 2, 3)) for h in pooled])
    torch.testing.assert_close(block.norm.running_mean, means.mean(0).detach())
    kept = {name: value.clone() for name, value in cafo.state_dict().items() if "running" in name}
    for stage in stages:
        stage.step(batches[0])
    assert all(torch.equal(cafo.state_dict()[name], value) for name, value in kept.items())


@pytest.mark.parametrize("predictor", ["ce", "sparsemax"])
def test_a_predictor_learns_alone_from_its_own_gradient(make_cafo, make_batch, predictor):
    settings = {"optimizer": "sgd", "lr": 0.1, "weight_decay": 0.2}
    cafo, batch = make_cafo(predictor=predictor, **settings), make_batch()
    stages = cafo.stages()
    next(stages).step(batch)
    for index, stage in enumerate(stages):
        before = {name: value.clone() for name, value in cafo.state_dict().items()}
        weight = cafo.predictors[index].detach().clone().requires_grad_()
        optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9, weight_decay=0.2)
        outputs = features(cafo, batch.x)[index] @ weight.t()
        if predictor == "ce":
            F.cross_entropy(outputs, batch.y).backward()
        else:  # through the loss's definition, not through its gradient
            ordered = outputs.sort(1, descending=True).values
            excess = ordered.cumsum(1) - 1
            size = (torch.arange(1, 11) * ordered > excess).sum(1, keepdim=True)
            tau = excess.gather(1, size - 1) / size
            chosen = 0.5 * (outputs.square() - tau.square()).where(outputs > tau, 0.0).sum(1)
            (chosen + 0.5 - outputs.gather(1, batch.y[:, None])[:, 0]).mean().backward()
        optimizer.step()
        stage.step(batch)
        torch.testing.assert_close(cafo.predictors[index].detach(), weight.detach(), rtol=1e-4, atol=1e-5)
        after = cafo.state_dict()
        assert {n for n in after if not torch.equal(before[n], after[n])} == {f"predictors.{index}"}


def test_the_closed_form_has_zero_gradient_at_its_solution(make_cafo, make_batch):
    cafo, batches = make_cafo(predictor="mse", ridge=0.5), [make_batch(seed=s) for s in range(4)]
    for stage in cafo.stages():
        for batch in batches:
            stage.step(batch)
    x, y = torch.cat([b.x for b in batches]), torch.cat([b.y for b in batches])
    for h, predictor in zip(features(cafo, x), cafo.predictors, strict=True):
        weight = predictor.detach().double().requires_grad_()
        residual = h.double() @ weight.t() - F.one_hot(y, 10)
        (0.5 * residual.square().sum() + 0.25 * weight.square().sum()).backward()
        at_zero = (h.double().t() @ F.one_hot(y, 10).double()).abs().max()
        assert float(weight.grad.abs().max()) < 1e-4 * float(at_zero)


def test_the_closed_form_takes_one_pass_and_keeps_no_products(make_cafo, make_batch):
    cafo = make_cafo(predictor="mse")
    for stage in cafo.stages():
        assert stage.epochs == 1
        stage.step(make_batch())
    assert not cafo._equations


def test_normal_equations_without_a_solution_end_the_training_in_one_line(make_cafo):
    cafo, batch = make_cafo(predictor="mse"), Batch(torch.full((4, 1, 8, 8), torch.nan), torch.arange(4))
    stages = cafo.stages()
    next(stages).step(batch)
    next(stages).step(batch)
    with pytest.raises(TrainingFailed, match="closed form of predictor 1 has no solution"):
        next(stages)


@pytest.mark.parametrize(
    ("predictor", "output"),
    [("ce", lambda z: z.softmax(1)), ("sparsemax", sparsemax)],
    ids=["ce", "sparsemax"],
)
def test_scores_sum_the_outputs_of_the_predictors_trained_so_far(make_cafo, make_batch, predictor, output):
    cafo, batch = make_cafo(predictor=predictor), make_batch()
    total = torch.zeros(32, 10)
    torch.testing.assert_close(cafo.scores(batch.x), total)
    stages = cafo.stages()
    next(stages).step(batch)
    for index, stage in enumerate(stages):
        stage.step(batch)
        outputs = [h @ v.t() for h, v in zip(features(cafo, batch.x), cafo.predictors, strict=True)]
        expected = sum(output(z.detach()) for z in outputs[: index + 1])
        torch.testing.assert_close(cafo.scores(batch.x), expected)
        scores, watched = stage.top.judge(stage.top.below(batch.x), batch.y)
        torch.testing.assert_close(scores, expected)
        loss = F.cross_entropy if predictor == "ce" else lambda z, y: sparsemax_error(z, y)[0]
        torch.testing.assert_close(watched, loss(outputs[index], batch.y).detach())  # of this predictor alone


def test_scores_of_closed_forms_are_summed_as_they_are_and_watched_by_their_mean_squared_error(
    make_cafo, make_batch
):
    cafo, batch = make_cafo(predictor="mse"), make_batch()
    for stage in cafo.stages():
        stage.step(batch)
    outputs = [(h @ v.t()).detach() for h, v in zip(features(cafo, batch.x), cafo.predictors, strict=True)]
    torch.testing.assert_close(cafo.scores(batch.x), sum(outputs))
    errors = [0.5 * (z - F.one_hot(batch.y, 10)).square().sum(1).mean() for z in outputs]
    torch.testing.assert_close(stage.loss(batch), torch.stack(errors).mean())


def test_while_blocks_learn_the_head_on_running_statistics_is_what_is_scored_and_watched(
    make_cafo, make_batch
):
    cafo, batch = make_cafo("conv:4,6", blocks="dfa"), make_batch()
    stage = next(cafo.stages())
    for seed in range(2):
        stage.step(make_batch(seed=seed))
    head = cafo.teacher.head
    expected = F.linear(features(cafo, batch.x)[-1], head.weight, head.bias).detach()
    torch.testing.assert_close(cafo.scores(batch.x), expected)
    torch.testing.assert_close(stage.loss(batch), F.cross_entropy(expected, batch.y))
    assert all(float(block.norm.momentum) == 0.1 for block in cafo.blocks)


def test_feedback_matrices_do_not_count_as_trainable(make_cafo):
    cafo = make_cafo("conv:4,6", blocks="dfa")
    blocks = (9 * 1 + 1 + 2) * 4 + (9 * 4 + 1 + 2) * 6
    assert cafo.parameter_count() == blocks + 10 * (4 * 16 + 6 * 4) + 10 * (6 * 4 + 1)


def test_blocks_have_no_trainable_parameter(make_cafo):
    cafo = make_cafo()
    assert cafo.parameter_count() == 10 * (4 * 16 + 6 * 4 + 8 * 1)


def test_odd_image_sizes_drop_the_last_row_and_column(make_cafo, make_batch):
    cafo, batch = make_cafo("conv:4,6", (1, 7, 9)), make_batch(shape=(1, 7, 9))
    for stage in cafo.stages():
        stage.step(batch)
    assert [tuple(p.shape) for p in cafo.predictors] == [(10, 4 * 3 * 4), (10, 6 * 1 * 2)]


def test_a_batch_of_one_with_maps_of_one_pixel_is_refused_in_one_line(make_cafo, make_batch):
    with pytest.raises(DataError, match="batch normalisation needs more than one value"):
        next(make_cafo().stages()).step(make_batch(size=1))


@pytest.mark.parametrize(
    ("arch", "shape", "message"),
    [
        ("mlp:8", (1, 8, 8), "cafo cannot train 'mlp:8': it needs conv layers"),
        ("conv:4", (64, 1, 1), "cafo cannot train on flat data"),
        ("conv:4,4,4,4", (1, 8, 8), "is too deep for 8x8 images"),
    ],
)
def test_what_it_cannot_train_is_refused_in_one_line(make_cafo, arch, shape, message):
    with pytest.raises(UsageError, match=message):
        make_cafo(arch, shape)


def test_dfa_blocks_come_first_then_their_statistics_anew(make_cafo, make_batch):
    cafo, batch, names = make_cafo(blocks="dfa"), make_batch(), []
    drawn = {name: value.clone() for name, value in cafo.state_dict().items() if name.startswith("block")}
    for stage in cafo.stages():
        names.append(stage.name)
        stage.step(batch)
        if stage.name == "blocks":
            moved = [
                n for n in drawn if n.endswith("weight") and not torch.equal(drawn[n], cafo.state_dict()[n])
            ]
            assert len(moved) == 6  # three convolutions, three normalisations
            kept = {
                name: p.detach().clone() for name, p in cafo.named_parameters() if name.startswith("block")
            }
    assert names == ["blocks", "statistics", "predictor1", "predictor2", "predictor3"]
    assert all(torch.equal(kept[name], p) for name, p in cafo.named_parameters() if name in kept)
    assert all(int(block.norm.num_batches_tracked) == 1 for block in cafo.blocks)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_a_dfa_block_gets_the_vector_jacobian_product_of_itself_alone(make_cafo, make_batch, decay):
    settings = {"optimizer": "sgd", "block_lr": 1.0, "momentum": 0.0, "block_weight_decay": decay}
    cafo, batch = make_cafo("conv:4,6", blocks="dfa", **settings), make_batch()
    before = [[p.detach().clone() for p in block.parameters()] for block in cafo.blocks]
    teacher, expected, h = cafo.teacher, [], batch.x
    leaves = [[p.requires_grad_() for p in group] for group in before]
    outputs = []
    for weight, bias, scale, shift in leaves:
        h = F.max_pool2d(F.relu(F.conv2d(h.detach(), weight, bias, padding=1)), 2)
        h = F.batch_norm(h, None, None, scale, shift, training=True)
        outputs.append(h)
    logits = F.linear(h.flatten(1), teacher.head.weight, teacher.head.bias).detach()
    error = (logits.softmax(1) - F.one_hot(batch.y, 10)) / 32
    for output, group, matrix in zip(outputs, leaves, teacher.feedback, strict=True):
        (output.flatten(1) * (error @ matrix)).sum().backward()
        expected.append([(1 - decay) * p.detach() - p.grad for p in group])
    next(cafo.stages()).step(batch)
    for block, group in zip(cafo.blocks, expected, strict=True):
        for parameter, value in zip(block.parameters(), group, strict=True):
            torch.testing.assert_close(parameter.detach(), value, rtol=1e-4, atol=1e-5)


def test_no_graph_leads_from_a_block_to_the_one_below(make_cafo, make_batch, monkeypatch):
    cafo, reached, set_gradients = make_cafo("conv:4,6", blocks="dfa"), [], cafo_feedback.set_gradients

    def looking(parameters, output, delta):
        below = list(cafo.blocks[0].parameters())
        reached.append(
            torch.autograd.grad(output.sum(), below, allow_unused=True, retain_graph=True) != (None,) * 4
        )
        set_gradients(parameters, output, delta)

    monkeypatch.setattr(cafo_feedback, "set_gradients", looking)
    next(cafo.stages()).step(make_batch())
    assert reached == [True, False]


def test_no_two_feedback_matrices_have_a_draw_in_common(make_cafo):
    feedback = make_cafo("conv:16,64", blocks="dfa").teacher.feedback  # as many features in each
    first, second = (matrix.flatten() for matrix in feedback)
    assert first.shape == second.shape
    assert abs(torch.corrcoef(torch.stack([first, second]))[0, 1]) < 4 / first.numel() ** 0.5  # 4 sigma


def test_with_the_heads_own_weights_as_feedback_one_dfa_block_learns_as_backpropagation(
    make_cafo, make_batch
):
    cafo, batch = make_cafo("conv:4", blocks="dfa", optimizer="sgd", block_lr=0.5, momentum=0.0), make_batch()
    block, teacher = cafo.blocks[0], cafo.teacher
    with torch.no_grad():
        teacher.feedback[0].copy_(teacher.head.weight)
    leaves = [p.detach().clone().requires_grad_() for p in (*block.parameters(), *teacher.head.parameters())]
    weight, bias, scale, shift, head, head_bias = leaves
    h = F.max_pool2d(F.relu(F.conv2d(batch.x, weight, bias, padding=1)), 2)
    h = F.batch_norm(h, None, None, scale, shift, training=True)
    F.cross_entropy(F.linear(h.flatten(1), head, head_bias), batch.y).backward()
    next(cafo.stages()).step(batch)
    for ours, plain in zip((*block.parameters(), *teacher.head.parameters()), leaves, strict=True):
        torch.testing.assert_close(ours.detach(), (plain - 0.5 * plain.grad).detach(), rtol=1e-4, atol=1e-5)


def test_a_dfa_step_runs_no_backward_pass_across_blocks(make_cafo, make_batch):
    flops = {}
    for arch in ("conv:4", "conv:4,4"):
        cafo = make_cafo(arch, blocks="dfa")
        with FlopCounterMode(display=False) as counter:
            next(cafo.stages()).step(make_batch())
        flops[arch] = counter.get_total_flops()
    convolution, head, feedback = 2 * 32 * 9 * 4 * 16 * 4, 2 * 32 * 10 * (16 - 64), 2 * 32 * 10 * 16
    assert (
        flops["conv:4,4"] - flops["conv:4"] == 2 * convolution + 2 * head + feedback
    )  # forward and weight gradient
