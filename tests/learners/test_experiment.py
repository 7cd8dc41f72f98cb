"""What is asked for becomes learner, task and protocol, each option reaching what it is about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from energyprof.errors import UsageError
from learners.experiment import Experiment, Prepared, prepare
from learners.training.protocol import Protocol

SMALL = Experiment(algo="mf", arch="mlp:12,8", device="cpu", threads=1)
CLOSED: dict[str, Any] = {"algo": "cafo", "arch": "conv:4", "settings": {"predictor": "mse"}}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def prepared(**asked: Any) -> Prepared:
    return prepare(replace(SMALL, **asked))


@pytest.mark.parametrize(
    ("asked", "protocol"),
    [
        ({}, Protocol.fixed(5)),
        ({"algo": "ff"}, Protocol.fixed(20)),
        ({"epochs": 3}, Protocol.fixed(3)),
        ({"passes": 7}, Protocol.matched(7)),
        ({"patience": 4}, Protocol.convergence(patience=4, cap=100)),
        ({"patience": 4, "epochs": 9}, Protocol.convergence(patience=4, cap=9)),
        ({"patience": 4, "watch": "accuracy"}, Protocol.convergence(patience=4, watch="accuracy")),
        ({**CLOSED, "epochs": 1}, Protocol.fixed(1)),  # of each of its two stages, as it is
        ({**CLOSED, "passes": 2}, Protocol.matched(2)),
    ],
    ids=str,
)
def test_budgets_become_the_protocol(asked: dict[str, Any], protocol: Protocol) -> None:
    assert prepared(**asked).protocol == protocol


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"passes": 4, "epochs": 2}, "--passes is a budget of its own"),
        ({"passes": 4, "patience": 2}, "--passes is a budget of its own"),
        ({"passes": 4, "watch": "accuracy"}, "--passes is a budget of its own"),
        ({"passes": 1, "schedule": "sequential"}, "--passes 1 cannot be divided over 2 stages"),
        ({"watch": "accuracy"}, "--watch accuracy goes with --patience"),
        ({"algo": "bp", "schedule": "sequential"}, "--schedule sequential: bp has one schedule only"),
        (
            {"schedule": "concurrent", "settings": {"schedule": "sequential"}},
            "--schedule concurrent and --set schedule=sequential are one setting: leave one out",
        ),
        ({**CLOSED, "epochs": 3}, "--epochs 3: cafo with these settings takes 2 passes over the data"),
        ({**CLOSED, "passes": 3}, "--passes 3: cafo with these settings takes 2 passes over the data"),
        ({**CLOSED, "patience": 3}, "--patience 3: cafo with these settings takes 2 passes over the data"),
        ({"algo": "mf-joint", "settings": {"auxiliary": "0"}}, "auxiliary=0 leaves mf-joint no loss"),
        ({"settings": {"momentum": "0.5"}}, "momentum=0.5 does nothing with optimizer=adamw"),
    ],
    ids=str,
)
def test_what_contradicts_itself_is_refused_in_one_line(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        prepared(**asked)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_schedule_is_the_setting_of_that_name_however_it_is_given() -> None:
    ways: list[dict[str, Any]] = [
        {"schedule": "sequential"},
        {"settings": {"schedule": "sequential"}},
        {"schedule": "sequential", "settings": {"schedule": "sequential"}},
    ]
    for asked in ways:
        found = prepared(**asked)
        assert found.facts["schedule"] == found.facts["config"]["schedule"] == "sequential"
        assert [stage.name for stage in found.plan] == ["layer1", "layer2"]


def test_batches_are_of_128_unless_asked_otherwise() -> None:
    assert prepared().task.batch_size == 128
    assert prepared(batch_size=10).task.batch_size == 10


def test_seeds_reach_weights_order_and_split_each_alone() -> None:
    plain, seeded, split = prepared(), prepared(seed=1), prepared(data_seed=1)
    weights, order, validation = (
        [next(iter(found.learner.parameters())).detach() for found in (plain, seeded, split)],
        [next(found.task.one_pass(0)).y for found in (plain, seeded, split)],
        [found.task._parts["validation"].x for found in (plain, seeded, split)],
    )
    assert not torch.equal(weights[0], weights[1])
    assert torch.equal(weights[0], weights[2])
    assert not torch.equal(order[0], order[1])
    assert torch.equal(validation[0], validation[1])
    assert not torch.equal(validation[0], validation[2])


def test_a_twin_has_the_same_batches_and_protocol_as_its_learner() -> None:
    ours = prepared(algo="cafo", arch="conv:4", patience=3)
    twin = prepared(algo="bp", arch="conv:4", twin="cafo", patience=3)
    assert twin.facts["arch"] == ours.facts["arch"]
    assert twin.facts["twin_of"] == "cafo"
    assert twin.protocol == ours.protocol
    for mine, other in zip(ours.task.one_pass(1), twin.task.one_pass(1), strict=True):
        assert torch.equal(mine.x, other.x)
        assert torch.equal(mine.y, other.y)


def test_flops_and_memory_are_of_the_learner_and_of_a_whole_batch() -> None:
    found = prepared(schedule="sequential", batch_size=16)
    assert [count.stage for count in found.flops] == [stage.name for stage in found.plan]
    assert found.flops[0].step == 16 * 2 * (2 * 64 * 12) + 16 * 3 * 2 * 10 * 12
    assert [stage.stage for stage in found.memory] == ["layer1", "layer2"]
    assert all(parameter.grad is None for parameter in found.learner.parameters())


@pytest.mark.parametrize(("algo", "unit"), [("ff", True), ("mf", False)])
def test_images_come_in_the_scale_that_the_learner_wants(algo: str, unit: bool) -> None:
    images = next(prepared(algo=algo).task.one_pass(0)).x
    assert (float(images.min()) == 0.0 and float(images.max()) == 1.0) == unit
    assert (float(images.min()) < 0) != unit
