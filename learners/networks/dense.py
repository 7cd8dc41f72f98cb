"""A fully connected layer with its gradients as explicit products: no graph is recorded."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from learners.networks.initialisation import kaiming_uniform, torch_default
from learners.networks.product import product, product_by_columns, weight_gradient

__all__ = ["Dense", "drop_gradients", "relu_backward_"]


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
        """Return (B, out) for (B, in), without a graph."""
        return product(x, self.weight, self.bias)

    def by_columns(self, x: Tensor) -> Tensor:
        """Return what :meth:`forward` does, laid out for a layer without an input gradient."""
        return product_by_columns(x, self.weight, self.bias)

    def add_gradient(self, delta: Tensor, x: Tensor) -> None:
        """Add to the gradients what :meth:`set_gradient` would set."""
        assert self.weight.grad is not None
        assert self.bias.grad is not None
        self.weight.grad += weight_gradient(delta, x)
        self.bias.grad += delta.sum(0, dtype=self.bias.dtype)

    def set_gradient(self, delta: Tensor, x: Tensor) -> None:
        """Set dW = delta' x and db = sum of delta, for delta = dL/dz (B, out) and input x (B, in)."""
        self.weight.grad = self.bias.grad = None  # the old ones go first: never two at a time
        self.weight.grad = weight_gradient(delta, x)
        self.bias.grad = delta.sum(0, dtype=self.bias.dtype)

    def input_gradient(self, delta: Tensor) -> Tensor:
        """Return dL/dx = delta W (B, in)."""
        return product(delta, self.weight.t())


def drop_gradients(module: nn.Module) -> None:
    """Free the gradients of a module's parameters."""
    for parameter in module.parameters():
        parameter.grad = None


def relu_backward_(delta: Tensor, activation: Tensor) -> Tensor:
    """Zero ``delta`` in place where the ReLU's output ``activation`` is zero."""
    return torch.ops.aten.threshold_backward.grad_input(delta, activation, 0, grad_input=delta)  # type: ignore[no-any-return]
