"""The convolutional block of the published comparisons: Conv 3x3 pad 1, ReLU, MaxPool 2, BatchNorm.

On the CPU weights and maps lie with their channels last: convolutions are a little faster so, and pooling, by
torch's kernels, 4 to 14 times, which was half of a forward pass. On CUDA they lie as torch puts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from energyprof.errors import DataError
from learners.networks.blueprint import Blueprint
from learners.networks.initialisation import torch_default

__all__ = ["ConvBlock", "conv_blocks", "conv_features", "set_gradients"]


class ConvBlock(nn.Module):
    """h = BatchNorm(MaxPool2(relu(Conv3x3(x)))); the pool drops an odd last row or column.

    The largest of four comes first and ReLU after it, on a quarter of the values: they commute.

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
        self.layout = torch.channels_last if device.type == "cpu" else torch.contiguous_format
        weight = torch_default((channels, inputs, 3, 3), fan_in, generator, device)
        self.weight = nn.Parameter(weight.detach().to(memory_format=self.layout))
        self.bias = torch_default((channels,), fan_in, generator, device)
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, channels, H // 2, W // 2) for (B, inputs, H, W)."""
        x = x.to(memory_format=self.layout)
        h = F.max_pool2d(F.conv2d(x, self.weight, self.bias, padding=1), 2).relu_()
        if self.norm is None:
            return h
        if self.training and h.numel() == h.shape[1]:
            raise DataError(
                "batch normalisation needs more than one value a channel, seen a batch of one 1x1 map: "
                "use a larger batch, larger images or fewer blocks"
            )
        return self.norm(h)  # type: ignore[no-any-return]


def set_gradients(parameters: Iterable[nn.Parameter], output: Tensor, delta: Tensor | None = None) -> None:
    """Set the gradients of one block's parameters, by its graph alone.

    Args:
        parameters: of the block, and of what reads its output.
        output: what the graph ends in; a scalar, or (B, ...) with ``delta``.
        delta: the gradient of the loss with respect to ``output``, or None where that is the loss.
    """
    ours = list(parameters)
    for parameter, gradient in zip(ours, torch.autograd.grad(output, ours, delta), strict=True):
        if gradient.stride() != parameter.stride():  # fused kernels read both as plain rows of numbers
            gradient = torch.empty_like(parameter).copy_(gradient)
        parameter.grad = gradient


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
