"""The delta rule as a learner of ``energyprof run``: data, batches, stopping and marks are its loop's."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn.functional import one_hot

from learners.base import Batch, Learner, Metrics
from learners.configuration import LearnerConfig, setting
from learners.networks.blueprint import Blueprint
from learners.registry import LearnerEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaRuleConfig(LearnerConfig):
    """Settings: ``--set rate=0.01``."""

    rate: float = setting(0.005, "size of an update", low=0)


class DeltaRule(Learner):
    """A fixed random layer, and above it one that learns by the delta rule (Widrow and Hoff 1960)."""

    def __init__(self, blueprint: Blueprint, config: DeltaRuleConfig) -> None:
        super().__init__()
        self.config = config
        spec, (units,) = blueprint.spec, blueprint.architecture.widths
        fixed = torch.randn(spec.features, units, generator=blueprint.generator) / spec.features**0.5
        self.fixed = torch.nn.Buffer(fixed.to(blueprint.device))
        self.learned = Parameter(torch.zeros(units, spec.classes, device=blueprint.device))

    def hidden(self, x: Tensor) -> Tensor:
        """Return (B, units)."""
        return torch.relu(x.flatten(1) @ self.fixed)

    @torch.no_grad()
    def step(self, batch: Batch) -> Metrics:
        """Learn from one batch; figures stay on the device."""
        with self.phase("forward"):
            h = self.hidden(batch.x)
            error = h @ self.learned - one_hot(batch.y, self.learned.shape[1])
        with self.phase("local-update"):
            self.learned.sub_(self.config.rate / len(batch.x) * (h.T @ error))
        return {"loss": error.square().mean()}

    def scores(self, x: Tensor) -> Tensor:
        """Return (B, classes)."""
        return self.hidden(x) @ self.learned


ENTRY = LearnerEntry(
    name="delta",
    title="Delta rule",
    summary="A fixed random layer below one that learns by the delta rule.",
    paper="Widrow and Hoff 1960",
    config=DeltaRuleConfig,
    default_arch=lambda _data: "mlp:1000",
    builder=DeltaRule,
)
