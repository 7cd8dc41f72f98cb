"""Cascaded-Forward's blocks trained by direct feedback alignment (Zhao et al., arXiv 2303.09728).

A linear head reads the last block. With e = (softmax(head(h_L)) - onehot(y)) / B, block i receives e R_i, R_i
fixed and random, as dL/dh_i; its parameters' gradient is the vector-Jacobian product of that block alone: one
forward pass, and no backward pass from block to block. The head learns by the delta rule; predictions do not
use it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from learners.base import Batch, PhaseMarker
from learners.networks.blueprint import Blueprint
from learners.networks.convolution import ConvBlock, conv_features, set_gradients
from learners.networks.dense import Dense, drop_gradients
from learners.networks.initialisation import torch_default
from learners.networks.losses import cross_entropy_error
from learners.networks.optimizer import UpdateConfig
from learners.networks.product import widened

__all__ = ["BlockFeedback"]


class BlockFeedback(nn.Module):
    """Trains blocks from the error of a head on the last one.

    Attributes:
        blocks: B_i, of the learner.
        head: (C, d_L), linear.
        feedback: R_i (C, d_i), fixed.
    """

    def __init__(
        self,
        blocks: Sequence[ConvBlock],
        blueprint: Blueprint,
        config: UpdateConfig,
        *,
        lr: float,
        weight_decay: float,
    ) -> None:
        super().__init__()
        classes, generator, device = blueprint.spec.classes, blueprint.generator, blueprint.device
        self.blocks = tuple(blocks)  # not registered: they are the learner's
        features = conv_features(blueprint)
        self.head = Dense.standard(features[-1], classes, generator, device)
        self.feedback = nn.ParameterList(
            torch_default((classes, d), d, generator, device).requires_grad_(False) for d in features
        )
        trained = [*(p for block in self.blocks for p in block.parameters()), *self.head.parameters()]
        self.optimizer = config.make_optimizer(trained, lr=lr, weight_decay=weight_decay)

    def step(self, batch: Batch, phase: PhaseMarker) -> Tensor:
        """Update all blocks and the head from one batch; return the head's loss."""
        with phase("forward"), torch.enable_grad():
            outputs, h = [], batch.x
            for block in self.blocks:
                h = block.train()(h.detach())  # each output carries the graph of its own block
                outputs.append(h)
        with phase("local-update"):
            features = h.detach().flatten(1)
            with torch.no_grad():
                loss, error = cross_entropy_error(self.head(features), batch.y)  # e (B, C)
                self.head.set_gradient(error, features)
            for block, output, matrix in zip(self.blocks, outputs, self.feedback, strict=True):
                delta = (error @ matrix).view_as(output).to(output.dtype)
                set_gradients(block.parameters(), output, delta)
        with phase("optimizer"):
            self.optimizer.step()
            for part in (*self.blocks, self.head):
                drop_gradients(part)
        return loss

    @torch.no_grad()
    def logits(self, x: Tensor) -> Tensor:
        """Return the head's logits (B, C)."""
        for block in self.blocks:
            x = block.eval()(x)
        return widened(self.head(x.flatten(1)))

    def loss(self, batch: Batch) -> Tensor:
        """Return the head's cross-entropy on a batch, without learning."""
        return F.cross_entropy(self.logits(batch.x), batch.y)
