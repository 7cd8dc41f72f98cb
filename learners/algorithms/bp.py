"""Backpropagation (Rumelhart, Hinton and Williams 1986): what every other learner is measured by.

    a_0 = x,  z_l = W_l a_{l-1} + b_l,  a_l = relu(z_l),  L = CE(softmax(W_out a_L + b_out), y)
    delta_out = (softmax - onehot(y)) / B
    delta_l = (delta_{l+1} W_{l+1}) * 1(z_l > 0),  dL/dW_l = delta_l' a_{l-1}

A fully connected net computes these products directly, as the local learners do, so that a comparison is of
algorithms and not of an autograd engine. A convolutional net uses autograd.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from energyprof.errors import UsageError
from learners.base import Batch, Learner, Metrics
from learners.configuration import setting
from learners.networks.blueprint import Blueprint
from learners.networks.convolution import conv_blocks, conv_features
from learners.networks.dense import Dense, drop_gradients, relu_backward_
from learners.networks.losses import cross_entropy_error
from learners.networks.optimizer import UpdateConfig
from learners.networks.product import widened
from learners.networks.stack import register

__all__ = ["Backpropagation", "BackpropagationConfig", "ConvBackpropagation", "backpropagation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackpropagationConfig(UpdateConfig):
    """Settings of backpropagation."""

    checkpoint: int = setting(
        0,
        "keep every k-th activation and recompute the others; 0 keeps all",
        source="Chen et al. 2016",
        low=0,
    )
    accumulate: int = setting(
        1, "micro-batches that a batch is cut into, one sample or more each; one update for all", low=1
    )


class Backpropagation(Learner):
    """A ReLU net with a linear softmax head, all layers trained by the loss of the head."""

    def __init__(self, blueprint: Blueprint, config: BackpropagationConfig) -> None:
        super().__init__()
        self.config = config
        sizes = (blueprint.spec.features, *blueprint.architecture.widths, blueprint.spec.classes)
        generator, device = blueprint.generator, blueprint.device
        self.layers = register(
            self, "layer", (Dense.standard(i, o, generator, device) for i, o in pairwise(sizes))
        )
        self.optimizer = config.make_optimizer(self.parameters())

    @torch.no_grad()
    def step(self, batch: Batch) -> Metrics:
        """Do one forward pass, one backward pass (of each micro-batch) and one update."""
        parts = enumerate(_micro_batches(batch, self.config.accumulate))
        losses = [
            self._gradients(part.x.flatten(1), part.y, len(part.y) / len(batch.y), add=k > 0)
            for k, part in parts
        ]
        with self.phase("optimizer"):
            self.optimizer.step()
        return {"loss": losses[0] if len(losses) == 1 else torch.stack(losses).sum()}

    def _gradients(self, x: Tensor, y: Tensor, share: float, *, add: bool) -> Tensor:
        """Set, or add to, all gradients from a micro-batch that is a share of the batch; return its loss."""
        with self.phase("forward"):
            kept: list[Tensor | None] = [x]  # a_0 .. a_L for the backward pass, or every k-th of them
            a = x
            for index, layer in enumerate(self.layers[:-1], start=1):
                a = layer(a).relu_()
                kept.append(a if self._keeps(index) else None)
            loss, delta = cross_entropy_error(self.layers[-1](a), y)  # delta (B, C)
        with self.phase("backward"):
            delta = delta if share == 1 else delta.mul_(share)
            for index in range(len(self.layers) - 1, -1, -1):
                inputs, layer = self._recall(kept, index), self.layers[index]
                (layer.add_gradient if add else layer.set_gradient)(delta, inputs)
                if index:  # no gradient for the input: 3F - 2 d0 d1 FLOPs a sample, not 3F
                    delta = relu_backward_(layer.input_gradient(delta), inputs)
        return loss if share == 1 else loss * share

    def _keeps(self, index: int) -> bool:
        return not self.config.checkpoint or index % self.config.checkpoint == 0

    def _recall(self, kept: list[Tensor | None], index: int) -> Tensor:
        """Take a_index, the last in the list, recomputing from the nearest one kept where it was dropped."""
        start = max(i for i in range(index + 1) if kept[i] is not None)
        for i in range(start, index):
            kept[i + 1] = self.layers[i](kept[i]).relu_()
        return cast("Tensor", kept.pop())

    @torch.no_grad()
    def scores(self, x: Tensor) -> Tensor:
        """Return the logits (B, C)."""
        a = x.flatten(1)
        for layer in self.layers[:-1]:
            a = layer(a).relu_()
        return widened(self.layers[-1](a))


class ConvBackpropagation(Learner):
    """CaFo's blocks (Conv 3x3, ReLU, MaxPool 2, BatchNorm) and a linear softmax head, by autograd."""

    def __init__(self, blueprint: Blueprint, config: BackpropagationConfig) -> None:
        super().__init__()
        if config.checkpoint:
            raise UsageError(
                f"checkpoint={config.checkpoint} goes with mlp only: recomputing a block of "
                f"'{blueprint.architecture}' would take its batch's statistics twice"
            )
        self.accumulate = config.accumulate
        self.blocks = register(self, "block", conv_blocks(blueprint))
        features = conv_features(blueprint)[-1]
        self.head = Dense.standard(features, blueprint.spec.classes, blueprint.generator, blueprint.device)
        self.optimizer = config.make_optimizer(self.parameters())

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (B, C)."""
        for block in self.blocks:
            x = block(x)
        return widened(F.linear(x.flatten(1), self.head.weight, self.head.bias))

    def step(self, batch: Batch) -> Metrics:
        """Do one forward pass, one backward pass (of each micro-batch) and one update."""
        self.train()
        losses = []
        for part in _micro_batches(batch, self.accumulate):
            with self.phase("forward"):
                loss = F.cross_entropy(self(part.x), part.y) * (len(part.y) / len(batch.y))
            with self.phase("backward"):
                loss.backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
        with self.phase("optimizer"):
            self.optimizer.step()
            drop_gradients(self)
        return {"loss": torch.stack(losses).sum()}

    @torch.no_grad()
    def scores(self, x: Tensor) -> Tensor:
        """Return the logits (B, C), with the running statistics of batch normalisation."""
        self.eval()
        return self(x)  # type: ignore[no-any-return]


def backpropagation(blueprint: Blueprint, config: BackpropagationConfig) -> Learner:
    """Build the net of the architecture's kind."""
    kind = Backpropagation if blueprint.architecture.kind == "mlp" else ConvBackpropagation
    return kind(blueprint, config)


def _micro_batches(batch: Batch, count: int) -> Iterator[Batch]:
    """Cut a batch into that many parts, as equal as can be, or into its samples where it has fewer."""
    count = min(count, len(batch.y))
    for x, y in zip(batch.x.tensor_split(count), batch.y.tensor_split(count), strict=True):
        yield Batch(x, y)
