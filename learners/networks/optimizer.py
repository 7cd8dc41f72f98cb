"""The one optimizer implementation of all learners, so that a comparison is of algorithms.

``torch.optim`` with ``fused=True``: one pass over parameters, gradients and moments, on CPU and on CUDA.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from learners.configuration import LearnerConfig, setting

__all__ = ["UpdateConfig", "optimizer_state_bytes", "scale_learning_rate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateConfig(LearnerConfig):
    """How gradients become updates: the settings that all learners share."""

    optimizer: Literal["adamw", "adam", "sgd"] = setting("adamw", "which fused optimizer")
    lr: float = setting(1e-3, "learning rate", source="Kingma and Ba 2015, section 2", low=0.0)
    weight_decay: float = setting(
        0.0, "decoupled weight decay for adamw, L2 in the gradient for the others", low=0.0
    )
    momentum: float = setting(0.9, "momentum of sgd (Adam keeps its betas .9, .999)", low=0.0, high=1.0)

    def make_optimizer(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float | None = None,
        weight_decay: float | None = None,
    ) -> torch.optim.Optimizer:
        """Build the fused optimizer of some parameters; None means the settings' own value."""
        parameters = list(parameters)
        lr = self.lr if lr is None else lr
        decay = self.weight_decay if weight_decay is None else weight_decay
        if self.optimizer == "sgd":
            return torch.optim.SGD(parameters, lr=lr, weight_decay=decay, momentum=self.momentum, fused=True)
        kind = torch.optim.AdamW if self.optimizer == "adamw" else torch.optim.Adam
        return kind(parameters, lr=lr, weight_decay=decay, fused=True)


def scale_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's learning rate to ``factor`` times the one that the optimizer was built with."""
    for group in optimizer.param_groups:
        base = group.setdefault("base_lr", group["lr"])
        group["lr"] = base * factor


def optimizer_state_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Return the bytes of moments and step counters that an optimizer holds now."""
    tensors = (value for state in optimizer.state.values() for value in state.values())
    return sum(t.numel() * t.element_size() for t in tensors if isinstance(t, torch.Tensor))
