"""The convolutional block: right whatever its layout in memory, and gradients that lie as the weights do."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from learners.base import DataSpec
from learners.networks.architecture import parse_architecture
from learners.networks.blueprint import Blueprint
from learners.networks.convolution import ConvBlock, conv_blocks, set_gradients
from learners.networks.optimizer import FusedOptimizer


def blocks(channels: int = 3, size: int = 9, *, norm: bool = False) -> list[ConvBlock]:
    return list(
        conv_blocks(
            Blueprint(
                spec=DataSpec(shape=(channels, size, size), classes=4),
                architecture=parse_architecture("conv:4,6"),
                generator=torch.Generator().manual_seed(0),
                device=torch.device("cpu"),
            ),
            norm=norm,
        )
    )


def images(count: int, channels: int, size: int = 9) -> torch.Tensor:
    return torch.randn(count, channels, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 8])
def test_a_block_is_the_convolution_relu_and_pool_of_torch(channels: int, count: int) -> None:
    x = images(count, channels)
    for block in blocks(channels):
        weight = block.weight.detach().contiguous()
        expected = F.max_pool2d(F.relu(F.conv2d(x.contiguous(), weight, block.bias, padding=1)), 2)
        x = block(x)
        torch.testing.assert_close(x, expected)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("count", [1, 8])
def test_gradients_lie_in_memory_as_the_weights_do(channels: int, count: int) -> None:
    x = images(count, channels)
    for block in blocks(channels, norm=True):
        output = block(x)
        set_gradients(block.parameters(), output, torch.ones_like(output))
        assert all(p.grad is not None and p.grad.stride() == p.stride() for p in block.parameters())
        x = output.detach()


def test_a_gradient_that_lies_otherwise_is_brought_in_line_before_the_fused_update() -> None:
    updated = []
    for layout in (torch.contiguous_format, torch.channels_last):
        weight = torch.nn.Parameter(images(2, 3))
        optimizer = FusedOptimizer([weight], "adamw", lr=0.1)
        slope = images(2, 3).square().to(memory_format=layout)
        set_gradients([weight], Sloped.apply(weight, slope))  # type: ignore[no-untyped-call]
        optimizer.step()
        updated.append(weight.detach().clone())
    assert torch.equal(*updated)


class Sloped(torch.autograd.Function):
    """A sum whose gradient is the tensor given, laid out as it is."""

    @staticmethod
    def forward(ctx: object, weight: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
        ctx.slope = slope  # type: ignore[attr-defined]
        return weight.sum()

    @staticmethod
    def backward(ctx: object, _: torch.Tensor) -> tuple[torch.Tensor, None]:
        return ctx.slope, None  # type: ignore[attr-defined]
