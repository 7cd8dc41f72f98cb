"""A fully connected layer whose gradient is two products, written straight into its gradient buffers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from learners.networks.initialisation import kaiming_uniform, torch_default

__all__ = ["Dense", "gradient_of", "relu_backward_"]


class Dense(nn.Module):
    """z = x W' + b.

    Attributes:
        weight: (out, in).
        bias: (out,).
    """

    def __init__(self, weight: nn.Parameter, bias: nn.Parameter) -> None:
        super().__init__()
        self.weight, self.bias = weight, bias

    @classmethod
    def kaiming(cls, inputs: int, outputs: int, generator: torch.Generator, device: torch.device) -> Dense:
        """Draw kaiming-uniform weights; the bias starts as ``nn.Linear``'s does."""
        weight = kaiming_uniform((outputs, inputs), generator, device)
        return cls(weight, torch_default((outputs,), inputs, generator, device))

    @classmethod
    def standard(cls, inputs: int, outputs: int, generator: torch.Generator, device: torch.device) -> Dense:
        """Draw weights and bias as ``nn.Linear`` does."""
        weight = torch_default((outputs, inputs), inputs, generator, device)
        return cls(weight, torch_default((outputs,), inputs, generator, device))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out) for (B, in)."""
        return torch.addmm(self.bias, x, self.weight.t())

    def write_gradient(self, delta: Tensor, x: Tensor) -> None:
        """Set dW = delta' x and db = sum of delta, for delta = dL/dz (B, out) and input x (B, in)."""
        torch.mm(delta.t(), x, out=gradient_of(self.weight))
        torch.sum(delta, 0, out=gradient_of(self.bias))


def gradient_of(parameter: nn.Parameter) -> Tensor:
    """Return the parameter's gradient buffer, allocated at first use and overwritten at every step."""
    if parameter.grad is None:
        parameter.grad = torch.empty_like(parameter)
    return parameter.grad


def relu_backward_(delta: Tensor, activation: Tensor) -> Tensor:
    """Zero ``delta`` in place where the ReLU's output ``activation`` is zero."""
    return torch.ops.aten.threshold_backward.grad_input(delta, activation, 0, grad_input=delta)  # type: ignore[no-any-return]
