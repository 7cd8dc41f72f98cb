"""The convolutional block of the published comparisons: Conv 3x3 pad 1, ReLU, MaxPool 2, BatchNorm."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from energyprof.errors import DataError
from learners.networks.blueprint import Blueprint
from learners.networks.initialisation import torch_default

__all__ = ["ConvBlock", "conv_blocks", "conv_features"]


class ConvBlock(nn.Module):
    """h = BatchNorm(MaxPool2(relu(Conv3x3(x)))); the pool drops an odd last row or column.

    Attributes:
        weight: (channels, inputs, 3, 3).
        norm: the batch normalisation, or None.
    """

    def __init__(
        self,
        inputs: int,
        channels: int,
        generator: torch.Generator,
        device: torch.device,
        norm: nn.BatchNorm2d | None,
    ) -> None:
        super().__init__()
        fan_in = inputs * 9
        self.weight = torch_default((channels, inputs, 3, 3), fan_in, generator, device)
        self.bias = torch_default((channels,), fan_in, generator, device)
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, channels, H // 2, W // 2) for (B, inputs, H, W)."""
        h = F.max_pool2d(F.conv2d(x, self.weight, self.bias, padding=1).relu_(), 2)
        if self.norm is None:
            return h
        if self.training and h.numel() == h.shape[1]:
            raise DataError(
                "batch normalisation needs more than one value a channel, seen a batch of one 1x1 map: "
                "use a larger batch, larger images or fewer blocks"
            )
        return self.norm(h)  # type: ignore[no-any-return]


def conv_blocks(blueprint: Blueprint, *, norm: bool = True) -> Iterator[ConvBlock]:
    """Make the architecture's blocks in order, each ending with batch normalisation or none."""
    channels = blueprint.spec.shape[0]
    for width in blueprint.architecture.widths:
        last = nn.BatchNorm2d(width, device=blueprint.device) if norm else None
        yield ConvBlock(channels, width, blueprint.generator, blueprint.device, last)
        channels = width


def conv_features(blueprint: Blueprint) -> tuple[int, ...]:
    """Return the flattened length of each block's output."""
    return tuple(c * h * w for c, h, w in blueprint.architecture.layer_shapes(blueprint.spec))
