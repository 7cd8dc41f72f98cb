"""Feedback alignment and its kin: the error reaches the layers through fixed random matrices.

With e = (softmax(logits) - onehot(y)) / B and f' = 1(z_l > 0), the output layer learns by the delta rule and

    fa    delta_l = (delta_{l+1} B_{l+1}) * f'    Lillicrap et al. 2016: B_{l+1} in place of W_{l+1}
    dfa   delta_l = (e B_l) * f'                  Nokland 2016: straight from the output

No product with a transposed weight is made: dfa costs 2 F + 2 C sum(hidden) FLOPs a sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from learners.base import Batch, Learner, Metrics
from learners.configuration import setting
from learners.networks.blueprint import Blueprint
from learners.networks.dense import Dense, relu_backward_
from learners.networks.initialisation import torch_default
from learners.networks.losses import cross_entropy_error
from learners.networks.optimizer import UpdateConfig
from learners.networks.product import product, widened
from learners.networks.stack import register

__all__ = ["FeedbackAlignment", "FeedbackAlignmentConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackAlignmentConfig(UpdateConfig):
    """Settings of feedback alignment."""

    rule: Literal["dfa", "fa"] = setting("dfa", "what is fed back, and from where")


class FeedbackAlignment(Learner):
    """A ReLU net with a linear softmax head and fixed feedback matrices.

    Attributes:
        layers: W_l (d_l, d_{l-1}) and b_l; the last is the head.
        feedback: buffers B_l, of layer l's width: (d_{l+1}, d_l) for fa, (C, d_l) for dfa.
    """

    def __init__(self, blueprint: Blueprint, config: FeedbackAlignmentConfig) -> None:
        super().__init__()
        blueprint.architecture.require("mlp", "dfa")
        self.rule, self.classes = config.rule, blueprint.spec.classes
        generator, device = blueprint.generator, blueprint.device
        sizes = (blueprint.spec.features, *blueprint.architecture.widths, self.classes)
        self.layers = register(
            self, "layer", (Dense.standard(i, o, generator, device) for i, o in pairwise(sizes))
        )
        above = sizes[2:] if self.rule == "fa" else [self.classes] * (len(sizes) - 2)
        self.feedback = nn.ParameterList(
            torch_default((rows, width), width, generator, device).requires_grad_(False)
            for rows, width in zip(above, sizes[1:-1], strict=True)
        )
        self.optimizer = config.make_optimizer(p for p in self.parameters() if p.requires_grad)

    @torch.no_grad()
    def step(self, batch: Batch) -> Metrics:
        """Do one forward pass, feed the error back, and update all layers."""
        with self.phase("forward"):
            activations = [batch.x.flatten(1)]  # a_0 .. a_L
            for layer in self.layers[:-1]:
                activations.append(layer(activations[-1]).relu_())
            loss, error = cross_entropy_error(self.layers[-1](activations[-1]), batch.y)
        with self.phase("feedback"):
            delta = error  # (B, C)
            for index in range(len(self.layers) - 1, -1, -1):
                a = activations.pop()  # the layer's input
                self.layers[index].set_gradient(delta, a)
                if index:
                    source = delta if self.rule == "fa" else error
                    delta = relu_backward_(product(source, self.feedback[index - 1].t()), a)
        with self.phase("optimizer"):
            self.optimizer.step()
        return {"loss": loss}

    @torch.no_grad()
    def scores(self, x: Tensor) -> Tensor:
        """Return the logits (B, C)."""
        a = x.flatten(1)
        for layer in self.layers[:-1]:
            a = layer(a).relu_()
        return widened(self.layers[-1](a))
