from __future__ import annotations

import pytest
import torch
from torch import nn

from learners.networks.optimizer import UpdateConfig, optimizer_state_bytes, scale_learning_rate


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_every_optimizer_is_fused(name):
    optimizer = UpdateConfig(optimizer=name).make_optimizer([nn.Parameter(torch.zeros(2))])
    assert optimizer.defaults["fused"] is True


def test_a_part_may_have_its_own_rate_and_decay():
    config = UpdateConfig(lr=0.1, weight_decay=0.2)
    own = config.make_optimizer([nn.Parameter(torch.zeros(2))], lr=0.0, weight_decay=0.5)
    assert (own.defaults["lr"], own.defaults["weight_decay"]) == (0.0, 0.5)
    assert config.make_optimizer([nn.Parameter(torch.zeros(2))]).defaults["lr"] == 0.1


def test_a_scaled_rate_is_a_factor_of_the_first_one_not_of_the_last():
    optimizer = UpdateConfig(lr=0.1).make_optimizer([nn.Parameter(torch.zeros(2))])
    for factor, expected in ((0.5, 0.05), (0.5, 0.05), (1.0, 0.1)):
        scale_learning_rate(optimizer, factor)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected)


def test_state_bytes_are_two_moments_and_a_step_counter():
    parameter = nn.Parameter(torch.zeros(100))
    optimizer = UpdateConfig().make_optimizer([parameter])
    assert optimizer_state_bytes(optimizer) == 0
    parameter.grad = torch.ones(100)
    optimizer.step()
    assert optimizer_state_bytes(optimizer) == 2 * 400 + 4
