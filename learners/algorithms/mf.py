"""Mono-Forward: each layer learns from its own projection onto the classes.

Gong, Li and Abdulla, arXiv 2501.09238, section 3:

    z_i = W_i a_{i-1} + b_i,  a_i = relu(z_i),  G_i = a_i M_i'      (goodness of each class)
    L_i = CE(softmax(G_i), y),  a_{i-1} = sg(a_{i-1})               (no gradient leaves a layer)

so with e = (softmax(G_i) - onehot(y)) / B and delta = (e M_i) * 1(z_i > 0):

    dL_i/dM_i = e' a_i,  dL_i/dW_i = delta' a_{i-1},  dL_i/db_i = sum of delta over the batch

Schedules. *Concurrent*: every batch updates all layers, one after another; nothing of a layer is kept once it
is done (the updates of Nokland and Eidnes 2019, loss ``pred``). *Sequential*: one layer to its end, then the
next; only the layer in training has gradients and optimizer state. *Pipelined*: layer i works on batch t - i,
so that all layers could work at the same time; it makes the updates of the concurrent schedule, later.

With ``predsim`` = beta > 0 (Nokland and Eidnes 2019), L_i = (1 - beta) CE + beta L_sim(a_i F_i'), with F_i
(d_i, d_i) learnt too: samples of a class should look alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from energyprof.errors import UsageError
from learners.base import Batch, Below, Learner, Metrics, Stage, Top
from learners.configuration import setting
from learners.networks.blueprint import Blueprint
from learners.networks.convolution import ConvBlock, conv_blocks, conv_features, set_gradients
from learners.networks.dense import Dense, drop_gradients, relu_backward_
from learners.networks.initialisation import kaiming_uniform, torch_default
from learners.networks.losses import cross_entropy_error
from learners.networks.optimizer import FusedOptimizer, UpdateConfig
from learners.networks.product import product, product_by_columns, weight_gradient, widened
from learners.networks.similarity import label_similarity, similarity_error
from learners.networks.stack import register

__all__ = ["MonoForward", "MonoForwardBlock", "MonoForwardConfig", "MonoForwardLayer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MonoForwardConfig(UpdateConfig):
    """Settings of Mono-Forward."""

    schedule: Literal["concurrent", "sequential", "pipelined"] = setting(
        "concurrent", "how layers take turns", source="Gong et al. 2025 train sequentially"
    )
    prediction: Literal["sum", "last"] = setting(
        "sum",
        "class scores: the sum of all layers' goodness, or the last layer's",
        source="Gong et al. 2025, section 3",
    )
    predsim: float = setting(
        0.0,
        "share beta of similarity matching in each loss (mlp only)",
        source="they use .99",
        low=0.0,
        high=1.0,
    )
    cache: bool = setting(
        False, "compute what the frozen layers make of all images once a stage, and keep it (sequential only)"
    )


class MonoForwardLayer(nn.Module):
    """A fully connected layer and its projection; gradients in closed form.

    Attributes:
        dense: W_i (d_i, d_{i-1}) and b_i.
        projection: M_i (C, d_i).
        similarity: F_i (d_i, d_i), or None without predsim.
    """

    def __init__(self, inputs: int, outputs: int, blueprint: Blueprint, predsim: float = 0.0) -> None:
        super().__init__()
        generator, device = blueprint.generator, blueprint.device
        self.dense = Dense.kaiming(inputs, outputs, generator, device)
        self.projection = kaiming_uniform((blueprint.spec.classes, outputs), generator, device)
        self.predsim = predsim
        self.similarity = torch_default((outputs, outputs), outputs, generator, device) if predsim else None

    def forward(self, x: Tensor) -> Tensor:
        """Return a_i (B, d_i) for a_{i-1} (B, d_{i-1})."""
        return self.dense(x).relu_()  # type: ignore[no-any-return]

    def activate(self, x: Tensor) -> Tensor:
        """Return a_i (B, d_i) for the gradient in closed form, which needs no graph."""
        return self.dense.by_columns(x).relu_()

    def goodness(self, a: Tensor) -> Tensor:
        """Return G_i (B, C) for a_i."""
        return widened(product_by_columns(a, self.projection))

    def set_gradient(self, a: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Set the gradients of L_i from a_i (B, d_i), a_{i-1} (B, d_{i-1}) and labels (B,); return L_i."""
        loss, error = cross_entropy_error(self.goodness(a), y)  # e (B, C)
        if self.similarity is not None:
            error.mul_(1 - self.predsim)
        self.projection.grad = weight_gradient(error, a)
        delta = product_by_columns(error, self.projection.t())  # dL_i/da_i (B, d_i)
        if self.similarity is not None:
            loss = (1 - self.predsim) * loss + self._match(self.similarity, a, y, delta)
        self.dense.set_gradient(relu_backward_(delta, a), x)
        return loss

    def _match(self, similarity: nn.Parameter, a: Tensor, y: Tensor, delta: Tensor) -> Tensor:
        """Set the gradient of F_i, add similarity matching's part to dL_i/da_i; return its part of L_i."""
        target = label_similarity(y, self.projection.shape[0])
        loss, slope = similarity_error(product(a, similarity), target)
        slope.mul_(self.predsim)  # (B, d_i)
        similarity.grad = weight_gradient(slope, a)
        delta.add_(product(slope, similarity.t()))
        return self.predsim * loss


class MonoForwardBlock(nn.Module):
    """A block Conv 3x3, ReLU, MaxPool 2 and its projection; gradients by autograd inside the block.

    Attributes:
        block: the convolution, without batch normalisation.
        projection: M_i (C, channels x height x width).
    """

    def __init__(self, block: ConvBlock, features: int, blueprint: Blueprint) -> None:
        super().__init__()
        self.block = block
        self.projection = kaiming_uniform(
            (blueprint.spec.classes, features), blueprint.generator, blueprint.device
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return a_i (B, channels, H // 2, W // 2)."""
        return self.block(x)  # type: ignore[no-any-return]

    def activate(self, x: Tensor) -> Tensor:
        """Return a_i with the graph of this block alone."""
        with torch.enable_grad():
            return self.block(x.detach())  # type: ignore[no-any-return]

    def goodness(self, a: Tensor) -> Tensor:
        """Return G_i (B, C) for a_i."""
        return widened(F.linear(a.flatten(1), self.projection))

    def set_gradient(self, a: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Set the gradients of L_i from a_i of :meth:`activate`; return L_i."""
        with torch.enable_grad():
            loss = F.cross_entropy(self.goodness(a), y)
        set_gradients(self.parameters(), loss)
        return loss.detach()


class MonoForward(Learner):
    """A stack of layers, each trained by its own loss."""

    def __init__(self, blueprint: Blueprint, config: MonoForwardConfig) -> None:
        super().__init__()
        blueprint.architecture.require("any", "mf")
        if config.cache:
            _require_frozen_layers(blueprint, config)
        self.config = config
        self.schedule, self.classes = config.schedule, blueprint.spec.classes
        self.layers = register(self, "layer", _layers(blueprint, config))
        self.ready = len(self.layers)  # layers that take part in the scores
        self._optimizers: dict[int, FusedOptimizer] = {}  # of the layers in training
        self._names = [self._phase_names(number) for number in range(1, len(self.layers) + 1)]
        self._waiting: dict[int, tuple[Tensor, Tensor]] = {}  # pipelined: layer -> (its input, labels)

    def stages(self) -> Iterator[Stage]:
        """Yield one stage for all layers, or one a layer when they train in sequence."""
        if self.schedule != "sequential":
            for index in range(len(self.layers)):
                self._optimizer(index)  # before the first step, which may be compiled
            yield Stage(name="train", step=self.step)
            while self._waiting:  # pipelined: let the last batches through, if the last weights are kept
                self._advance(None)
            return
        for index in range(len(self.layers)):
            self.ready = index + 1
            self._optimizer(index)
            cached = self.config.cache and index > 0
            yield Stage(
                name=f"layer{index + 1}",
                step=partial(self._step_top if cached else self._step_one, index),
                top=Top(below=partial(self._evaluated_below, index), judge=partial(self._judge, index)),
                frozen=partial(self._below, index) if cached else None,
            )
            self._optimizers.pop(index, None)  # its moments go; its weights are final

    def step(self, batch: Batch) -> Metrics:
        """Update every layer from one batch."""
        if self.schedule == "pipelined":
            return {"loss": self._advance(batch)}
        a, losses = self._inputs(batch.x), []
        for index in range(len(self.layers)):
            a, loss = self._learn(index, a, batch.y)
            losses.append(loss)
        local = torch.stack(losses)
        return {"loss": local.mean(), "local_loss": local}

    @torch.no_grad()
    def scores(self, x: Tensor) -> Tensor:
        """Return sum_i G_i, or G_L, over the layers trained so far (B, C)."""
        a = self._inputs(x)
        total: Tensor | None = None
        for layer in self.layers[: self.ready]:
            a = layer(a)
            if self.config.prediction == "sum":
                goodness = layer.goodness(a)
                total = goodness if total is None else total.add_(goodness)
        return self.layers[self.ready - 1].goodness(a) if total is None else total

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Take other weights; batches under way go with the weights that they were of."""
        self._waiting.clear()
        return super().load_state_dict(state_dict, strict, assign)

    def _phase_names(self, number: int) -> tuple[str, str]:
        """Name a layer's phases; a stage of its own has the layer in its name already."""
        layer = "" if self.schedule == "sequential" else f"layer{number}/"
        return f"{layer}forward", f"{layer}local-update"

    def _inputs(self, x: Tensor) -> Tensor:
        return x.flatten(1) if isinstance(self.layers[0], MonoForwardLayer) else x

    @torch.no_grad()
    def _learn(self, index: int, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Update one layer from its input; return its activation, from before the update, and its loss."""
        layer, (forward, update) = self.layers[index], self._names[index]
        with self.phase(forward):
            a = layer.activate(x)
        with self.phase(update):
            loss = layer.set_gradient(a, x, y)
        with self.phase("optimizer"):
            self._optimizer(index).step()
            drop_gradients(layer)  # so that one layer's gradient exists at a time
        return a.detach(), loss

    def _step_one(self, index: int, batch: Batch) -> Metrics:
        """Update one layer; those below are frozen and only pass the batch on."""
        with self.phase("frozen"):
            a = self._below(index, batch.x)
        return self._step_top(index, Batch(a, batch.y))

    def _step_top(self, index: int, batch: Batch) -> Metrics:
        """Update one layer from its input, ``batch.x`` being a_{i-1}."""
        return {"loss": self._learn(index, batch.x, batch.y)[1]}

    @torch.no_grad()
    def _below(self, index: int, x: Tensor) -> Tensor:
        """Return the input of layer ``index``, through the layers below it."""
        a = self._inputs(x)
        for layer in self.layers[:index]:
            a = layer(a)
        return a

    def _advance(self, batch: Batch | None) -> Tensor:
        """Let every layer work on the batch it holds, the last layer first; return their mean loss."""
        if batch is not None:
            self._waiting[0] = (self._inputs(batch.x), batch.y)
        losses = []
        for index in sorted(self._waiting, reverse=True):
            x, y = self._waiting.pop(index)
            a, loss = self._learn(index, x, y)
            losses.append(loss)
            if index + 1 < len(self.layers):
                self._waiting[index + 1] = (a, y)
        return torch.stack(losses).mean()

    @torch.no_grad()
    def _evaluated_below(self, index: int, x: Tensor) -> Below:
        """Return the input of layer ``index``, and what the layers below it add to the scores (B, C)."""
        a, total = self._inputs(x), x.new_zeros(x.shape[0], self.classes)
        for layer in self.layers[:index]:
            a = layer(a)
            if self.config.prediction == "sum":
                total += layer.goodness(a)
        return Below(a, total)

    @torch.no_grad()
    def _judge(self, index: int, below: Below, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scores (B, C) and L_i from the input of layer ``index``, without learning."""
        layer = self.layers[index]
        goodness = layer.goodness(layer(below.x))
        return below.scores + goodness, F.cross_entropy(goodness, y)

    def _optimizer(self, index: int) -> FusedOptimizer:
        if index not in self._optimizers:
            self._optimizers[index] = self.config.make_optimizer(self.layers[index].parameters())
        return self._optimizers[index]


def _require_frozen_layers(blueprint: Blueprint, config: MonoForwardConfig) -> None:
    if config.schedule != "sequential" or len(blueprint.architecture.widths) < 2:
        raise UsageError(
            f"cache=true needs layers that are frozen while others train, seen schedule={config.schedule} on "
            f"'{blueprint.architecture}': give --schedule sequential and 2 hidden layers or more"
        )


def _layers(blueprint: Blueprint, config: MonoForwardConfig) -> Iterator[MonoForwardLayer | MonoForwardBlock]:
    if blueprint.architecture.kind == "conv":
        if config.predsim:
            raise UsageError(
                f"predsim={config.predsim:g} goes with mlp only, seen '{blueprint.architecture}'"
            )
        blocks = conv_blocks(blueprint, norm=False)
        for block, features in zip(blocks, conv_features(blueprint), strict=True):
            yield MonoForwardBlock(block, features, blueprint)
        return
    if config.predsim == 1:
        raise UsageError(
            "predsim=1 leaves the projections, by which mf predicts, nothing to learn from: give less, "
            "such as 0.99"
        )
    sizes = (blueprint.spec.features, *blueprint.architecture.widths)
    for inputs, outputs in pairwise(sizes):
        yield MonoForwardLayer(inputs, outputs, blueprint, config.predsim)
