from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from learners.networks.optimizer import FusedOptimizer, UpdateConfig

PLAIN = {
    "adamw": lambda p, decay: torch.optim.AdamW(p, lr=0.01, weight_decay=decay, fused=True),
    "adam": lambda p, decay: torch.optim.Adam(p, lr=0.01, weight_decay=decay, fused=True),
    "sgd": lambda p, decay: torch.optim.SGD(p, lr=0.01, weight_decay=decay, momentum=0.9, fused=True),
}


def parameters() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(*shape, generator=generator)) for shape in ((30, 20), (30,), (1,))]


def give_gradients(held: list[nn.Parameter], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in held:
        parameter.grad = torch.randn(parameter.shape, generator=generator)


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_every_update_has_the_bits_of_torch_optim(name, decay):
    ours, theirs = parameters(), parameters()
    fused = UpdateConfig(optimizer=name, lr=0.01, weight_decay=decay).make_optimizer(ours)
    plain = PLAIN[name](theirs, decay)
    for seed in range(5):
        give_gradients(ours, seed)
        give_gradients(theirs, seed)
        fused.step()
        plain.step()
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_sgd_without_momentum_is_the_plain_step():
    held = parameters()
    before = [p.detach().clone() for p in held]
    give_gradients(held, 0)
    FusedOptimizer(held, "sgd", lr=0.5, momentum=0.0).step()
    for parameter, old in zip(held, before, strict=True):
        torch.testing.assert_close(parameter.detach(), old - 0.5 * parameter.grad)


def test_a_part_may_have_its_own_rate():
    config = UpdateConfig(lr=0.1, weight_decay=0.2)
    assert config.make_optimizer(parameters(), lr=0.0).lr == 0.0
    assert config.make_optimizer(parameters()).lr == 0.1


def test_a_scaled_rate_is_a_factor_of_the_first_one_not_of_the_last():
    optimizer = UpdateConfig(lr=0.1).make_optimizer(parameters())
    for factor, expected in ((0.5, 0.05), (0.5, 0.05), (1.0, 0.1)):
        optimizer.scale(factor)
        assert optimizer.lr == pytest.approx(expected)


@pytest.mark.parametrize(("name", "moments"), [("adamw", 2), ("adam", 2), ("sgd", 1)])
def test_state_bytes_are_the_moments_and_the_step_counters(name, moments):
    assert FusedOptimizer(parameters(), name, lr=0.1).state_bytes == moments * 4 * 631 + 3 * 4


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_a_resumed_optimizer_goes_on_as_if_it_had_not_stopped(name):
    ours, theirs = parameters(), parameters()
    first, second = (FusedOptimizer(p, name, lr=0.1) for p in (ours, theirs))
    for seed in range(3):
        give_gradients(ours, seed)
        first.step()
    first.scale(0.5)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    with torch.no_grad():
        for mine, other in zip(theirs, ours, strict=True):
            mine.copy_(other)
    for optimizer, held in ((first, ours), (second, theirs)):
        give_gradients(held, 9)
        optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
