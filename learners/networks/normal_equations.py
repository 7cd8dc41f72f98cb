"""Least squares by its normal equations, gathered batch by batch: (H'H + lambda I) V = H'Y.

H'H is symmetric: only its upper triangle is computed, in panels of columns, which is little more than half of
the work of the plain product. Products are in fp32 and their sums in fp64: over tens of thousands of samples
fp32 sums lose more than a ridge of 1 adds, and H'H is then not positive definite any more.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from learners.networks.product import product, widened

__all__ = ["NormalEquations"]

_PANEL: Final = 256  # columns; wide enough for full speed, narrow enough to leave out nearly half


class NormalEquations:
    """H'H (d, d), upper triangle, and H'Y (d, C), Y the one-hot labels, summed over the batches so far.

    Attributes:
        gram: H'H, float64.
        cross: H'Y, float64.
    """

    def __init__(self, features: int, classes: int, device: torch.device) -> None:
        self.gram = torch.zeros(features, features, dtype=torch.float64, device=device)
        self.cross = torch.zeros(features, classes, dtype=torch.float64, device=device)

    @torch.no_grad()
    def add(self, h: Tensor, y: Tensor) -> None:
        """Add the rows of H (B, d) and their labels (B,); products are in fp32 under autocast too."""
        columns = widened(h).t().contiguous()  # (d, B): a panel is then whole rows
        with torch.autocast(h.device.type, enabled=False):
            for first in range(0, len(columns), _PANEL):
                self.gram[first : first + _PANEL, first:] += product(
                    columns[first : first + _PANEL], columns[first:]
                )
            self.cross += product(columns, F.one_hot(y, self.cross.shape[1]).to(columns.dtype).t())

    @torch.no_grad()
    def solve(self, ridge: float) -> Tensor | None:
        """Return V' (C, d) in fp32, by Cholesky factors; None where H'H + ridge I is not positive definite.

        May be called once: the ridge is added in place.
        """
        self.gram.diagonal().add_(ridge)
        factor, info = torch.linalg.cholesky_ex(self.gram, upper=True)
        return None if int(info) else torch.cholesky_solve(self.cross, factor, upper=True).t().float()
