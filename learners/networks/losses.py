"""Losses with their gradients written out, for learners that need no autograd graph.

Each function returns the mean loss over the batch (a scalar tensor) and its gradient. B: batch, C: classes.
What autocast has narrowed to bfloat16 is brought back to fp32 first: 8 bits cannot tell two losses apart.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from learners.networks.product import widened

__all__ = ["cross_entropy_error", "onehot", "sparsemax", "sparsemax_error", "squared_error"]


def cross_entropy_error(logits: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return softmax cross-entropy and its gradient (softmax(logits) - onehot(y)) / B.

    Args:
        logits: (B, C).
        y: (B,) int64, in [0, C).
    """
    log_p = torch.log_softmax(widened(logits), 1)
    loss = F.nll_loss(log_p, y)
    return loss, _minus_onehot(log_p.exp_(), y)


def sparsemax(logits: Tensor) -> Tensor:
    """Project (B, C) logits onto the simplex (Martins and Astudillo 2016, algorithm 1)."""
    logits = widened(logits)
    ordered = logits.sort(1, descending=True).values
    rank = torch.arange(1, logits.shape[1] + 1, device=logits.device, dtype=logits.dtype)
    excess = ordered.cumsum(1) - 1  # sum of the k largest, less 1
    support = (~(rank * ordered <= excess)).sum(1, keepdim=True)  # k(z) >= 1, also for NaN
    return (logits - excess.gather(1, support - 1) / support).clamp_(min=0)


def sparsemax_error(logits: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sparsemax loss and its gradient (sparsemax(logits) - onehot(y)) / B.

    The loss is -z_y + sum_{j in S} (z_j^2 - tau^2) / 2 + 1/2 (Martins and Astudillo 2016, eq. 16); with
    p = sparsemax(z), z_j - p_j = tau on the support S, so that z_j^2 - tau^2 = p_j (2 z_j - p_j).
    """
    logits = widened(logits)
    p = sparsemax(logits)
    loss = (0.5 * (p * (2 * logits - p)).sum(1) + 0.5 - logits.gather(1, y[:, None])[:, 0]).mean()
    return loss, _minus_onehot(p, y)


def squared_error(outputs: Tensor, y: Tensor) -> Tensor:
    """Return the mean over the batch of ||outputs - onehot(y)||^2 / 2."""
    return 0.5 * (widened(outputs) - onehot(y, outputs.shape[1])).square().sum(1).mean()


def onehot(y: Tensor, classes: int) -> Tensor:
    """Return (B, C) rows, fp32, one at the label; unlike torch's own, it reads no label on the host."""
    return torch.zeros(len(y), classes, device=y.device).scatter_(1, y[:, None], 1.0)


def _minus_onehot(p: Tensor, y: Tensor) -> Tensor:
    """Turn (B, C) probabilities in place into (p - onehot(y)) / B."""
    batch_size = p.shape[0]
    p.scatter_add_(1, y[:, None], p.new_full((1, 1), -1.0).expand(batch_size, 1))
    return p.div_(batch_size)
