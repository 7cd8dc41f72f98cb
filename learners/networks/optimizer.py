"""The one optimizer implementation of all learners, so that a comparison is of algorithms.

``torch.optim`` with ``fused=True``: one pass over parameters, gradients and moments, on CPU and on CUDA.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import nn

__all__ = ["OptimizerName", "make_optimizer", "optimizer_state_bytes", "scale_learning_rate"]

OptimizerName = Literal["adamw", "adam", "sgd"]


def make_optimizer(
    parameters: Iterable[nn.Parameter],
    name: OptimizerName,
    *,
    lr: float,
    weight_decay: float = 0.0,
    momentum: float = 0.9,
) -> torch.optim.Optimizer:
    """Build a fused optimizer; ``momentum`` is that of SGD, Adam keeps its betas (0.9, 0.999)."""
    parameters = list(parameters)
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=lr, weight_decay=weight_decay, momentum=momentum, fused=True)
    kind = torch.optim.AdamW if name == "adamw" else torch.optim.Adam
    return kind(parameters, lr=lr, weight_decay=weight_decay, fused=True)


def scale_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's learning rate to ``factor`` times the one that the optimizer was built with."""
    for group in optimizer.param_groups:
        base = group.setdefault("base_lr", group["lr"])
        group["lr"] = base * factor


def optimizer_state_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Return the bytes of moments and step counters that an optimizer holds now."""
    tensors = (value for state in optimizer.state.values() for value in state.values())
    return sum(t.numel() * t.element_size() for t in tensors if isinstance(t, torch.Tensor))
