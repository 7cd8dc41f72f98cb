"""Stages known before training."""

from __future__ import annotations

from typing import Any

import torch

from learners.base import DataSpec
from learners.registry import build, entries
from learners.training.checkpoint import BestWeights
from learners.training.stage_plan import plan_stages, untrained_copy


def test_stages_are_known_without_a_step_and_without_a_trace(counter: Any) -> None:
    learner = counter(("statistics", 1), ("predictor1", None))
    assert [(s.name, s.epochs) for s in plan_stages(learner)] == [("statistics", 1), ("predictor1", None)]
    assert learner.closed == []


def test_every_learner_can_be_rehearsed() -> None:
    spec = DataSpec(shape=(1, 8, 8), classes=10)
    for name, found in entries().items():
        learner = build(name, spec, found.default_arch(spec))
        assert plan_stages(learner)


def test_a_copy_shares_no_tensor_and_no_meter(counter: Any, meter: Any) -> None:
    learner = counter()
    learner.phase = meter.phase
    copied = untrained_copy(learner)
    assert learner.phase == meter.phase
    assert copied.phase != meter.phase
    with torch.no_grad():
        copied.weight += 1
    assert float(learner.weight) == 0


def test_the_best_weights_come_back_into_the_same_tensors(counter: Any) -> None:
    learner, best = counter(), BestWeights()
    weight = learner.weight
    for value, keep in ((1.0, True), (2.0, True), (3.0, False)):
        with torch.no_grad():
            weight.fill_(value)
        if keep:
            best.keep(learner)
    best.restore(learner)
    assert learner.weight is weight
    assert float(weight) == 2.0


def test_nothing_kept_restores_nothing(counter: Any) -> None:
    learner = counter()
    BestWeights().restore(learner)
    assert float(learner.weight) == 0
