"""Backpropagation (Rumelhart, Hinton and Williams 1986): what every other learner is measured by.

    a_0 = x,  z_l = W_l a_{l-1} + b_l,  a_l = relu(z_l),  L = CE(softmax(W_out a_L + b_out), y)
    delta_out = (softmax - onehot(y)) / B
    delta_l = (delta_{l+1} W_{l+1}) * 1(z_l > 0),  dL/dW_l = delta_l' a_{l-1}

A fully connected net computes these products directly, as the local learners do, so that a comparison is of
algorithms and not of an autograd engine. A convolutional net uses autograd.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from learners.base import Batch, Learner, Metrics
from learners.networks.blueprint import Blueprint
from learners.networks.convolution import conv_blocks, conv_features
from learners.networks.dense import Dense, drop_gradients, relu_backward_
from learners.networks.losses import cross_entropy_error
from learners.networks.optimizer import UpdateConfig
from learners.networks.stack import register

__all__ = ["Backpropagation", "BackpropagationConfig", "ConvBackpropagation", "backpropagation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackpropagationConfig(UpdateConfig):
    """Settings of backpropagation: those of its optimizer."""


class Backpropagation(Learner):
    """A ReLU net with a linear softmax head, all layers trained by the loss of the head."""

    def __init__(self, blueprint: Blueprint, config: BackpropagationConfig) -> None:
        super().__init__()
        sizes = (blueprint.spec.features, *blueprint.architecture.widths, blueprint.spec.classes)
        pairs = pairwise(sizes)
        self.layers = register(
            self, "layer", (Dense.standard(i, o, blueprint.generator, blueprint.device) for i, o in pairs)
        )
        self.optimizer = config.make_optimizer(self.parameters())

    @torch.no_grad()
    def step(self, batch: Batch) -> Metrics:
        """Do one forward pass, one backward pass and one update."""
        with self.phase("forward"):
            activations = self._activations(batch.x)  # a_0 .. a_L, all kept for the backward pass
            logits = self.layers[-1](activations[-1])
        with self.phase("backward"):
            loss, delta = cross_entropy_error(logits, batch.y)  # delta (B, C)
            for index in range(len(self.layers) - 1, -1, -1):
                layer, inputs = self.layers[index], activations.pop()
                layer.set_gradient(delta, inputs)
                if index:  # no gradient for the input: 3F - 2 d0 d1 FLOPs a sample, not 3F
                    delta = relu_backward_(layer.input_gradient(delta), inputs)
        with self.phase("optimizer"):
            self.optimizer.step()
        return {"loss": loss}

    @torch.no_grad()
    def scores(self, x: Tensor) -> Tensor:
        """Return the logits (B, C)."""
        a = x.flatten(1)
        for layer in self.layers[:-1]:
            a = layer(a).relu_()
        return self.layers[-1](a)  # type: ignore[no-any-return]

    def _activations(self, x: Tensor) -> list[Tensor]:
        activations = [x.flatten(1)]
        for layer in self.layers[:-1]:
            activations.append(layer(activations[-1]).relu_())
        return activations


class ConvBackpropagation(Learner):
    """CaFo's blocks (Conv 3x3, ReLU, MaxPool 2, BatchNorm) and a linear softmax head, by autograd."""

    def __init__(self, blueprint: Blueprint, config: BackpropagationConfig) -> None:
        super().__init__()
        self.blocks = register(self, "block", conv_blocks(blueprint))
        features = conv_features(blueprint)[-1]
        self.head = Dense.standard(features, blueprint.spec.classes, blueprint.generator, blueprint.device)
        self.optimizer = config.make_optimizer(self.parameters())

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (B, C)."""
        for block in self.blocks:
            x = block(x)
        return F.linear(x.flatten(1), self.head.weight, self.head.bias)

    def step(self, batch: Batch) -> Metrics:
        """Do one forward pass, one backward pass and one update."""
        self.train()
        with self.phase("forward"):
            loss = F.cross_entropy(self(batch.x), batch.y)
        with self.phase("backward"):
            loss.backward()  # type: ignore[no-untyped-call]
        with self.phase("optimizer"):
            self.optimizer.step()
            drop_gradients(self)
        return {"loss": loss.detach()}

    @torch.no_grad()
    def scores(self, x: Tensor) -> Tensor:
        """Return the logits (B, C), with the running statistics of batch normalisation."""
        self.eval()
        return self(x)  # type: ignore[no-any-return]


def backpropagation(blueprint: Blueprint, config: BackpropagationConfig) -> Learner:
    """Build the net of the architecture's kind."""
    kind = Backpropagation if blueprint.architecture.kind == "mlp" else ConvBackpropagation
    return kind(blueprint, config)
