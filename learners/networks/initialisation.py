"""First weights, drawn on the CPU from the run's own generator: a seed means the same on every device."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["kaiming_uniform", "normal", "torch_default"]


def kaiming_uniform(shape: tuple[int, ...], generator: torch.Generator, device: torch.device) -> nn.Parameter:
    """Draw U(-k, k) with k = sqrt(6 / fan_in), fan_in all but the first dimension (He et al. 2015)."""
    return _uniform(shape, math.sqrt(6.0 / math.prod(shape[1:])), generator, device)


def torch_default(
    shape: tuple[int, ...], fan_in: int, generator: torch.Generator, device: torch.device
) -> nn.Parameter:
    """Draw U(-k, k) with k = 1 / sqrt(fan_in): what ``nn.Linear`` and ``nn.Conv2d`` start from, bias too."""
    return _uniform(shape, 1.0 / math.sqrt(fan_in), generator, device)


def normal(
    shape: tuple[int, ...], std: float, generator: torch.Generator, device: torch.device
) -> nn.Parameter:
    """Draw N(0, std^2)."""
    return _parameter(torch.randn(shape, generator=generator).mul_(std), device)


def _uniform(
    shape: tuple[int, ...], k: float, generator: torch.Generator, device: torch.device
) -> nn.Parameter:
    return _parameter(torch.rand(shape, generator=generator).mul_(2 * k).sub_(k), device)


def _parameter(value: Tensor, device: torch.device) -> nn.Parameter:
    return nn.Parameter(value.to(device))
