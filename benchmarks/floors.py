"""The least a step can cost: its matrix products, by the learners' own routine, and one fused Adam pass.

No loss, no activation function, no bookkeeping.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from learners.networks.optimizer import FusedOptimizer
from learners.networks.product import product, product_by_columns

__all__ = ["floor_bp", "floor_ff", "floor_mf"]

Floor = Callable[[Tensor], None]


def floor_bp(sizes: tuple[int, ...], batch_size: int) -> Floor:
    """Return the products of backpropagation: forward, weight gradients, input gradients but the first."""
    weights, acts, deltas = _dense(sizes), _rows(sizes, batch_size), _rows(sizes, batch_size)
    optimizer = _adam(weights)

    def step(x: Tensor) -> None:
        acts[0] = x
        for i, w in enumerate(weights):
            acts[i + 1] = product(acts[i], w)
        for i in range(len(weights) - 1, -1, -1):
            weights[i].grad = product(deltas[i + 1].t(), acts[i].t())
            if i:
                deltas[i] = product(deltas[i + 1], weights[i].t())
        optimizer.step()

    return torch.no_grad()(step)


def floor_mf(sizes: tuple[int, ...], batch_size: int) -> Floor:
    """Return the products of Mono-Forward: a layer's forward, its projection, and their gradients."""
    hidden, classes = sizes[:-1], sizes[-1]
    weights = _dense(hidden)
    projections = [_weight(classes, d) for d in hidden[1:]]
    acts, deltas = _rows(hidden, batch_size), _rows(hidden, batch_size)
    error = torch.full((batch_size, classes), 1e-3)
    optimizer = _adam([*weights, *projections])

    def step(x: Tensor) -> None:
        acts[0] = x
        for i, (w, m) in enumerate(zip(weights, projections, strict=True)):
            acts[i + 1] = product_by_columns(acts[i], w)
            product_by_columns(acts[i + 1], m)  # the goodness of each class
            m.grad = product(error.t(), acts[i + 1].t())
            deltas[i + 1] = product_by_columns(error, m.t())
            w.grad = product(deltas[i + 1].t(), acts[i].t())
        optimizer.step()

    return torch.no_grad()(step)


def floor_ff(sizes: tuple[int, ...], batch_size: int) -> Floor:
    """Return the products of Forward-Forward: forward and weight gradient for positive and negative rows."""
    hidden = sizes[:-1]
    weights = _dense(hidden)
    acts, deltas = _rows(hidden, 2 * batch_size), _rows(hidden, 2 * batch_size)
    optimizer = _adam(weights)

    def step(x: Tensor) -> None:
        acts[0][:batch_size] = x
        acts[0][batch_size:] = x
        for i, w in enumerate(weights):
            acts[i + 1] = product(acts[i], w)
            w.grad = product(deltas[i + 1].t(), acts[i].t())
        optimizer.step()

    return torch.no_grad()(step)


def _weight(outputs: int, inputs: int) -> nn.Parameter:
    weight = nn.Parameter(torch.randn(outputs, inputs) * inputs**-0.5)
    weight.grad = torch.zeros_like(weight)
    return weight


def _dense(sizes: tuple[int, ...]) -> list[nn.Parameter]:
    return [_weight(o, i) for i, o in pairwise(sizes)]


def _rows(sizes: tuple[int, ...], count: int) -> list[Tensor]:
    return [torch.full((count, d), 1e-3) for d in sizes]


def _adam(parameters: list[nn.Parameter]) -> FusedOptimizer:
    return FusedOptimizer(parameters, "adamw", lr=1e-6)
