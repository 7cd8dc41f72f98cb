"""The rungs between backpropagation and Mono-Forward: auxiliary losses with global gradients.

    BP-DS     L = CE(W_out a_L + b_out, y) + w sum_{i<L} CE(M_i a_i, y)    read out at the head
    MF-joint  L = w sum_{i<=L} CE(M_i a_i, y)                              read out at M_L

In BP-DS the head is the classifier of the last hidden layer, and the others are of those below it (Lee et al.
2015: m = 1 .. M - 1); with a single hidden layer there are none.

BP -> BP-DS adds the auxiliary losses, BP-DS -> MF-joint moves the read-out, MF-joint -> MF-concurrent cuts
the gradient between layers, MF-concurrent -> MF-sequential changes the schedule: one thing at a time. With
e_i = w (softmax(M_i a_i) - onehot(y)) / B, a layer's delta is that of backpropagation and a local part:

    delta_i = (delta_{i+1} W_{i+1} + e_i M_i) * 1(z_i > 0),  dL/dM_i = e_i' a_i,  dL/dW_i = delta_i' a_{i-1}
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from energyprof.errors import UsageError
from learners.base import Batch, Learner, Metrics
from learners.configuration import setting
from learners.networks.blueprint import Blueprint
from learners.networks.dense import Dense, relu_backward_
from learners.networks.initialisation import kaiming_uniform
from learners.networks.losses import cross_entropy_error
from learners.networks.optimizer import UpdateConfig
from learners.networks.product import product, weight_gradient, widened
from learners.networks.stack import register

__all__ = ["DeepSupervision", "DeepSupervisionConfig", "MonoForwardJoint", "MonoForwardJointConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepSupervisionConfig(UpdateConfig):
    """Settings of BP-DS."""

    auxiliary: float = setting(0.171, "weight w of each auxiliary loss", source="tuned on CIFAR-10", low=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MonoForwardJointConfig(UpdateConfig):
    """Settings of MF-joint."""

    auxiliary: float = setting(1.0, "weight w of each loss: with Adam it cancels out", low=0.0)


class _Supervised(Learner):
    """Hidden layers with a projection each, and a head or none.

    Attributes:
        layers: W_i (d_i, d_{i-1}) and b_i.
        projections: M_i (C, d_i) of the first layers, or of all.
        head: W_out (C, d_L) and b_out, or None.
    """

    def __init__(
        self,
        layers: list[Dense],
        projections: list[nn.Parameter],
        head: Dense | None,
        config: UpdateConfig,
        weight: float,
    ) -> None:
        super().__init__()
        self.layers = register(self, "layer", layers)
        self.projections = nn.ParameterList(projections)
        self.head = head
        self.weight = weight
        self.optimizer = config.make_optimizer(self.parameters())

    @torch.no_grad()
    def step(self, batch: Batch) -> Metrics:
        """Do one forward pass, one backward pass through all losses, and one update."""
        with self.phase("forward"):
            activations = [batch.x.flatten(1)]  # a_0 .. a_L
            for layer in self.layers:
                activations.append(layer(activations[-1]).relu_())
        with self.phase("backward"):
            loss, local = self._backward(activations, batch.y)
        with self.phase("optimizer"):
            self.optimizer.step()
        return {"loss": loss, "local_loss": local}

    def _backward(self, activations: list[Tensor], y: Tensor) -> tuple[Tensor, Tensor]:
        """Set all gradients; return L and the losses of the projections, not weighted, the lowest first."""
        losses: list[Tensor] = []
        loss, delta = y.new_zeros((), dtype=activations[0].dtype), None
        if self.head is not None:
            loss, error = cross_entropy_error(self.head(activations[-1]), y)
            self.head.set_gradient(error, activations[-1])
            delta = self.head.input_gradient(error)
        for index in range(len(self.layers) - 1, -1, -1):
            layer, a = self.layers[index], activations.pop()
            if index < len(self.projections):
                local_loss, local = self._supervise(self.projections[index], a, y)
                loss = loss + self.weight * local_loss
                losses.append(local_loss)
                delta = local if delta is None else local.add_(delta)
            assert delta is not None, "the last layer has a classifier"
            delta = relu_backward_(delta, a)
            layer.set_gradient(delta, activations[-1])
            delta = layer.input_gradient(delta) if index else None
        return loss, torch.stack(losses[::-1])

    def _supervise(self, projection: nn.Parameter, a: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Set the gradient of M_i; return its loss, not weighted, and e_i M_i (B, d_i)."""
        loss, error = cross_entropy_error(product(a, projection), y)
        error.mul_(self.weight)  # e_i (B, C)
        projection.grad = weight_gradient(error, a)
        return loss, product(error, projection.t())

    @torch.no_grad()
    def scores(self, x: Tensor) -> Tensor:
        """Return the logits of the head, or those of M_L (B, C)."""
        a = x.flatten(1)
        for layer in self.layers:
            a = layer(a).relu_()
        return widened(product(a, self.projections[-1]) if self.head is None else self.head(a))


class DeepSupervision(_Supervised):
    """BP-DS: backpropagation with a softmax classifier on every hidden layer, the head on the last."""

    def __init__(self, blueprint: Blueprint, config: DeepSupervisionConfig) -> None:
        blueprint.architecture.require("mlp", "bp-ds", hidden=2)
        spec, generator, device = blueprint.spec, blueprint.generator, blueprint.device
        sizes = (spec.features, *blueprint.architecture.widths, spec.classes)
        *layers, head = (Dense.standard(i, o, generator, device) for i, o in pairwise(sizes))
        projections = [kaiming_uniform((spec.classes, d), generator, device) for d in sizes[1:-2]]
        super().__init__(layers, projections, head, config, config.auxiliary)


class MonoForwardJoint(_Supervised):
    """MF-joint: Mono-Forward's net and losses, trained by the gradient of their sum."""

    def __init__(self, blueprint: Blueprint, config: MonoForwardJointConfig) -> None:
        blueprint.architecture.require("mlp", "mf-joint")
        if config.auxiliary == 0:
            raise UsageError("auxiliary=0 leaves mf-joint no loss to learn from: give more, such as 1")
        spec, generator, device = blueprint.spec, blueprint.generator, blueprint.device
        layers, projections = [], []
        for inputs, outputs in pairwise((spec.features, *blueprint.architecture.widths)):
            layers.append(Dense.kaiming(inputs, outputs, generator, device))  # drawn in Mono-Forward's order
            projections.append(kaiming_uniform((spec.classes, outputs), generator, device))
        super().__init__(layers, projections, None, config, config.auxiliary)
