"""Cascaded-Forward: convolutional blocks that no gradient crosses, and a predictor on each.

Zhao et al., arXiv 2303.09728:

    h_i = B_i(h_{i-1}): Conv 3x3 pad 1, ReLU, MaxPool 2, BatchNorm                          (section 3.1)
    P_i = f(H_i V_i), H_i the flattened h_i (n, d_i), V_i (d_i, C);  prediction argmax_c sum_i P_i

Predictors (section 3.3), each trained with its block frozen, one after another, mse all in one pass:

    ce          f = softmax     dL/dV = H' (softmax(H V) - Y) / n
    sparsemax   f = sparsemax   dL/dV = H' (sparsemax(H V) - Y) / n
    mse         f = identity    V = (H'H + lambda I)^-1 H'Y, in closed form from one pass over the data

Blocks are *random*, left as drawn, or trained first by *dfa*, direct feedback alignment (cafo_feedback.py).

Batch normalisation takes its statistics in one pass over the training data, in training mode, before any
predictor learns (the average over the batches); from then on they are frozen, in training and prediction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from energyprof.errors import TrainingFailed, UsageError
from learners.algorithms.cafo_feedback import BlockFeedback
from learners.base import Batch, Below, Learner, Metrics, Stage, Top
from learners.configuration import setting
from learners.networks.blueprint import Blueprint
from learners.networks.convolution import ConvBlock, conv_blocks, conv_features
from learners.networks.initialisation import torch_default
from learners.networks.losses import cross_entropy_error, sparsemax, sparsemax_error, squared_error
from learners.networks.normal_equations import NormalEquations
from learners.networks.optimizer import FusedOptimizer, UpdateConfig
from learners.networks.product import product, weight_gradient, widened
from learners.networks.stack import register

__all__ = ["CascadedForward", "CascadedForwardConfig"]

_STEPS: Final = {"predictor": ("ce", "sparsemax")}  # these learn step by step


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadedForwardConfig(UpdateConfig):
    """Settings of Cascaded-Forward."""

    predictor: Literal["ce", "mse", "sparsemax"] = setting(
        "ce", "loss of the predictors; mse is solved in closed form", source="Zhao et al. 2023, section 3.3"
    )
    optimizer: Literal["adamw", "adam", "sgd"] = setting(
        "adamw", "which fused optimizer", only_with={**_STEPS, "blocks": ("dfa",)}
    )
    lr: float = setting(1e-3, "as of every learner, here of the predictors", low=0.0, only_with=_STEPS)
    weight_decay: float = setting(
        0.0, "as of every learner, here of the predictors", low=0.0, only_with=_STEPS
    )
    ridge: float = setting(1.0, "lambda of the closed form", low=0.0, only_with={"predictor": "mse"})
    blocks: Literal["random", "dfa"] = setting(
        "random",
        "blocks stay as drawn, or learn by direct feedback alignment first",
        source="Zhao et al. 2023",
    )
    block_lr: float = setting(
        2.5e-4, "learning rate of dfa blocks", source="tuned on MNIST", low=0.0, only_with={"blocks": "dfa"}
    )
    block_weight_decay: float = setting(
        0.0, "weight decay of dfa blocks", low=0.0, only_with={"blocks": "dfa"}
    )
    cache: bool = setting(
        False, "compute what a predictor's frozen blocks make of all images once, and keep it (not with mse)"
    )


class CascadedForward(Learner):
    """Frozen random blocks with a predictor on each.

    Attributes:
        blocks: B_i.
        predictors: V_i' (C, d_i).
    """

    schedule = "sequential"

    def __init__(self, blueprint: Blueprint, config: CascadedForwardConfig) -> None:
        super().__init__()
        blueprint.architecture.require("conv", "cafo")
        if min(blueprint.spec.shape[1:]) < 2:
            raise UsageError(
                f"cafo cannot train on flat data {blueprint.spec.shape}: its blocks convolve images; use "
                "images or another algorithm"
            )
        if config.cache and config.predictor == "mse":
            raise UsageError(
                "cache=true keeps what is read at every pass, and predictor=mse takes one pass: leave out "
                "--set cache=true"
            )
        self.config = config
        self.classes = blueprint.spec.classes
        self.blocks = register(self, "block", conv_blocks(blueprint))
        self.predictors = nn.ParameterList(
            torch_default((self.classes, d), d, blueprint.generator, blueprint.device)
            for d in conv_features(blueprint)
        )
        self.ready = 0  # predictors that take part in the scores
        self._averaged = 0  # batches that the statistics are the average of
        self._closed_form = config.predictor == "mse"
        self._optimizer: FusedOptimizer | None = None  # of what is in training
        self.teacher = self._make_teacher(blueprint)
        self._equations: list[NormalEquations] = []  # of each predictor, in the making

    def stages(self) -> Iterator[Stage]:
        """Yield the blocks' training if any, the pass for the statistics, then one stage a predictor."""
        if self.teacher is not None:
            yield Stage(name="blocks", step=self._train_blocks, loss=self.teacher.loss)
            self.teacher = self._optimizer = None
            _forget_statistics(self.blocks)
        statistics = Stage(name="statistics", step=self._take_statistics, epochs=1, compiles=False)
        yield statistics  # a plain average has another factor at every step
        if self._closed_form:
            self.ready = len(self.blocks)
            yield Stage(name="predictors", step=self._accumulate, epochs=1, loss=self._closed_form_loss)
            self._solve()
            return
        for index in range(len(self.blocks)):
            self.ready = index + 1
            self._optimizer_of(index)  # before the first step, which may be compiled
            name = f"predictor{index + 1}"
            top = Top(below=partial(self._below, index), judge=partial(self._judge, index))
            if self.config.cache:
                step, frozen = partial(self._fit, index), partial(self._features, index)
                yield Stage(name=name, step=step, top=top, frozen=frozen)
            else:
                yield Stage(name=name, step=partial(self._learn, index), top=top)
            self._optimizer = self.predictors[index].grad = None

    @torch.no_grad()
    def scores(self, x: Tensor) -> Tensor:
        """Return sum_i P_i over the predictors trained so far; before them the teacher's logits, or zeros."""
        if self.teacher is not None:
            return self.teacher.logits(x)
        total = x.new_zeros(x.shape[0], self.classes)
        for block, predictor in zip(self.blocks[: self.ready], self.predictors, strict=False):
            x = block.eval()(x)
            total += self._output(product(x.flatten(1), predictor))
        return total

    def _train_blocks(self, batch: Batch) -> Metrics:
        assert self.teacher is not None
        return {"loss": self.teacher.step(batch, self.phase)}

    @torch.no_grad()
    def _take_statistics(self, batch: Batch) -> Metrics:
        """Let batch normalisation take in one batch; the loss is that of no prediction, ln C.

        The n-th batch counts 1/n, by a number kept here: torch's own average reads its from the device.
        """
        self._averaged += 1
        with self.phase("forward"):
            x = batch.x
            for block in self.blocks:
                if block.norm is not None:
                    block.norm.momentum = 1.0 / self._averaged
                x = block.train()(x)
        return {"loss": F.cross_entropy(batch.x.new_zeros(1, self.classes), batch.y[:1])}

    @torch.no_grad()
    def _learn(self, index: int, batch: Batch) -> Metrics:
        """Update predictor ``index`` from a batch of images."""
        with self.phase("forward"):
            h = self._features(index, batch.x)
        return self._fit(index, Batch(h, batch.y))

    @torch.no_grad()
    def _fit(self, index: int, batch: Batch) -> Metrics:
        """Update predictor ``index`` by its gradient (dV' = error' H), ``batch.x`` being H_i (B, d_i)."""
        with self.phase("local-update"):
            h, predictor = batch.x, self.predictors[index]
            loss, error = self._error(product(h, predictor), batch.y)  # (B, C)
            predictor.grad = weight_gradient(error, h)
        with self.phase("optimizer"):
            self._optimizer_of(index).step()
        return {"loss": loss}

    @torch.no_grad()
    def _accumulate(self, batch: Batch) -> Metrics:
        """Add one batch to H'H and H'Y of every predictor; the loss is that of the predictors as they are."""
        if not self._equations:
            sizes = [predictor.shape[1] for predictor in self.predictors]
            self._equations = [NormalEquations(d, self.classes, batch.x.device) for d in sizes]
        x, losses = batch.x, []
        for index, (block, equations) in enumerate(zip(self.blocks, self._equations, strict=True), 1):
            with self.phase(f"block{index}/forward"):
                x = block.eval()(x)
            with self.phase(f"predictor{index}/local-update"):
                h = x.flatten(1)
                equations.add(h, batch.y)
                losses.append(squared_error(product(h, self.predictors[index - 1]), batch.y))
        local = torch.stack(losses)
        return {"loss": local.mean(), "local_loss": local}

    @torch.no_grad()
    def _solve(self) -> None:
        """Set each V = (H'H + lambda I)^-1 H'Y by Cholesky factors."""
        for index in range(len(self._equations)):
            solution = self._equations.pop(0).solve(self.config.ridge)  # its memory goes with it
            if solution is None:
                raise TrainingFailed(
                    f"the closed form of predictor {index + 1} has no solution: H'H + {self.config.ridge:g} "
                    "I is not positive definite; raise --set ridge=... or look for NaN in the data"
                )
            self.predictors[index].copy_(solution)

    @torch.no_grad()
    def _closed_form_loss(self, batch: Batch) -> Tensor:
        """Return the mean over predictors of their squared errors on a batch."""
        x, losses = batch.x, []
        for block, predictor in zip(self.blocks, self.predictors, strict=True):
            x = block.eval()(x)
            losses.append(squared_error(product(x.flatten(1), predictor), batch.y))
        return torch.stack(losses).mean()

    @torch.no_grad()
    def _below(self, index: int, x: Tensor) -> Below:
        """Return H_index (B, d_index) and the sum of P_i over the predictors before it (B, C)."""
        total = x.new_zeros(x.shape[0], self.classes)
        for block, predictor in zip(self.blocks[:index], self.predictors, strict=False):
            x = block.eval()(x)
            total += self._output(product(x.flatten(1), predictor))
        return Below(self.blocks[index].eval()(x).flatten(1), total)

    @torch.no_grad()
    def _judge(self, index: int, below: Below, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return sum_i P_i up to predictor ``index`` (B, C), and its loss, without learning."""
        outputs = product(below.x, self.predictors[index])
        return below.scores + self._output(outputs), self._error(outputs, y)[0]

    def _features(self, index: int, x: Tensor) -> Tensor:
        """Return H_i (B, d_i) with frozen statistics."""
        for block in self.blocks[: index + 1]:
            x = block.eval()(x)
        return x.flatten(1)

    def _error(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return (sparsemax_error if self.config.predictor == "sparsemax" else cross_entropy_error)(outputs, y)

    def _output(self, outputs: Tensor) -> Tensor:
        """Return P_i from H_i V_i."""
        outputs = widened(outputs)
        if self._closed_form:
            return outputs
        return sparsemax(outputs) if self.config.predictor == "sparsemax" else torch.softmax(outputs, 1)

    def _make_teacher(self, blueprint: Blueprint) -> BlockFeedback | None:
        """Return what trains the blocks, or leave them as drawn."""
        if self.config.blocks == "random":
            _forget_statistics(self.blocks)
            return None
        lr, weight_decay = self.config.block_lr, self.config.block_weight_decay
        teacher = BlockFeedback(self.blocks, blueprint, self.config, lr=lr, weight_decay=weight_decay)
        self._optimizer = teacher.optimizer
        return teacher

    def _optimizer_of(self, index: int) -> FusedOptimizer:
        if self._optimizer is None:
            self._optimizer = self.config.make_optimizer([self.predictors[index]])
        return self._optimizer


def _forget_statistics(blocks: tuple[ConvBlock, ...]) -> None:
    """Freeze the blocks' parameters; let their statistics begin anew."""
    for block in blocks:
        block.requires_grad_(False)
        if block.norm is not None:
            block.norm.reset_running_stats()
