"""Similarity matching: samples of a class should look alike (Nokland and Eidnes, arXiv 1901.06656).

    S(u)_kl = cosine of rows k and l, each less its mean
    L_sim = mean over k, l of (S(u) - S(onehot(y)))^2

(their eq. 1, the squared norm taken as a mean so that it does not grow with the batch).
"""

from __future__ import annotations

import torch
from torch import Tensor

from learners.networks.product import product, widened

__all__ = ["label_similarity", "similarity_error"]

_EPS = 1e-8


def label_similarity(y: Tensor, classes: int) -> Tensor:
    """Return S(onehot(y)) (B, B): 1 within a class, -1 / (C - 1) between two."""
    same = y[:, None] == y
    return torch.where(same, 1.0, -1.0 / (classes - 1))


def similarity_error(u: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return L_sim and its gradient dL_sim/du (B, d).

    With D = S - target (symmetric), v the centred rows at length 1: dL/dv = 4 D v / B^2; scaling then drops
    what points along v, and centring drops the mean.

    Args:
        u: (B, d).
        target: (B, B), symmetric, ones on the diagonal.
    """
    u = widened(u)
    centred = u - u.mean(1, keepdim=True)
    length = centred.norm(dim=1, keepdim=True).add_(_EPS)
    v = centred / length
    difference = widened(product(v, v)).sub_(target)  # D
    slope = widened(product(difference, v.t())).mul_(4.0 / u.shape[0] ** 2)  # dL/dv; product(a, b') = a b
    slope = (slope - v * (slope * v).sum(1, keepdim=True)).div_(length)
    return difference.square_().mean(), slope - slope.mean(1, keepdim=True)
