"""What steps leave behind is put back: in place, to the bit, whatever a learner holds."""

from __future__ import annotations

import copy
import random
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._pytree import tree_flatten

from learners.base import Batch, DataSpec, Learner
from learners.configuration import configure
from learners.registry import build, entry
from learners.training.learner_state import capture, copied
from learners.training.rewind import Rewind

CPU = torch.device("cpu")
VARIANTS = [
    ("bp", "mlp:12,8", {}),
    ("mf", "mlp:12,8", {}),
    ("mf", "mlp:12,8", {"schedule": "pipelined"}),
    ("mf", "conv:4,6", {}),
    ("ff", "mlp:12,8", {"negatives": "hard", "peer": "0.03"}),
    ("cafo", "conv:4,6", {"blocks": "dfa"}),
    ("cafo", "conv:4,6", {"predictor": "mse"}),
    ("dfa", "mlp:12,8", {}),
]


def make(name: str, arch: str, settings: dict[str, str]) -> Learner:
    return build(name, DataSpec(shape=(1, 8, 8), classes=4), arch, configure(entry(name).config, settings))


def batch(seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return Batch(torch.rand(16, 1, 8, 8, generator=generator), torch.arange(16) % 4)


def assert_same(state: Any, expected: Any) -> None:
    leaves, shape = tree_flatten(state)
    others, other_shape = tree_flatten(expected)
    assert shape == other_shape
    for leaf, other in zip(leaves, others, strict=True):
        assert torch.equal(leaf, other) if isinstance(leaf, torch.Tensor) else leaf == other


@pytest.mark.parametrize(("name", "arch", "settings"), VARIANTS, ids=str)
def test_a_learner_is_as_it_was_and_goes_on_as_if_nothing_had_been(
    name: str, arch: str, settings: dict[str, str]
) -> None:
    learner, untouched = make(name, arch, settings), make(name, arch, settings)
    for stage, other in zip(learner.stages(), untouched.stages(), strict=False):
        stage.step(batch(0))
        other.step(batch(0))
        before = copied(capture(learner))
        rewind = Rewind(learner, CPU)
        learner.on_epoch(3, 4)
        for seed in (1, 2, 3):
            stage.step(batch(seed))
        rewind.back()
        assert_same(capture(learner), before)
        for seed in (4, 5):
            assert torch.equal(stage.step(batch(seed))["loss"], other.step(batch(seed))["loss"])


class Hoard(Learner):
    """Holds state of every kind."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(2))
        self.list, self.names, self.pair = [1], {"a"}, ([torch.zeros(1)], 2)
        self.draw = torch.Generator().manual_seed(0)
        self.itself = self
        self.ready = 0

    def mess_up(self) -> None:
        with torch.no_grad():
            self.weight.add_(1)
            self.pair[0][0].add_(1)
        self.weight.grad = torch.ones(2)
        self.list.append(2)
        self.names.add("b")
        self.ready, self.late = 7, "new"
        torch.rand(1, generator=self.draw)
        torch.rand(1), np.random.rand(), random.random()


def test_lists_sets_attributes_gradients_and_generators_are_put_back_in_place() -> None:
    hoard = Hoard()
    held, states = (
        (hoard.weight, hoard.list, hoard.pair[0][0]),
        (hoard.draw.get_state(), torch.get_rng_state()),
    )
    expected = (np.random.get_state()[2], random.getstate())
    rewind = Rewind(hoard, CPU)
    for _ in range(2):
        hoard.mess_up()
        rewind.back()
        assert all(
            now is then for now, then in zip((hoard.weight, hoard.list, hoard.pair[0][0]), held, strict=True)
        )
        assert (hoard.list, hoard.names, hoard.ready, hoard.weight.grad) == ([1], {"a"}, 0, None)
        assert not hasattr(hoard, "late")
        assert torch.count_nonzero(hoard.weight) == torch.count_nonzero(hoard.pair[0][0]) == 0
        assert torch.equal(hoard.draw.get_state(), states[0])
        assert torch.equal(torch.get_rng_state(), states[1])
        assert (np.random.get_state()[2], random.getstate()) == expected


def test_a_gradient_that_was_there_has_its_values_back() -> None:
    hoard = Hoard()
    hoard.weight.grad = gradient = torch.full((2,), 3.0)
    rewind = Rewind(hoard, CPU)
    gradient.zero_()
    hoard.weight.grad = None
    rewind.back()
    assert hoard.weight.grad is gradient
    assert torch.equal(gradient, torch.full((2,), 3.0))


def test_what_is_remembered_is_a_copy() -> None:
    hoard = Hoard()
    rewind, twin = Rewind(hoard, CPU), copy.deepcopy(hoard)
    hoard.mess_up()
    rewind.back()
    assert torch.equal(hoard.weight, twin.weight)


@pytest.mark.parametrize(("name", "settings", "count"), [("bp", {}, 1), ("mf", {}, 2), ("ff", {}, 2)])
def test_every_optimizer_is_found(name: str, settings: dict[str, str], count: int) -> None:
    learner = make(name, "mlp:12,8", settings)
    next(learner.stages())
    assert len(Rewind(learner, CPU).optimizers) == count
