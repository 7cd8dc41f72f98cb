"""Least squares by its normal equations, gathered batch by batch: (H'H + lambda I) V = H'Y.

H'H is symmetric: only its upper triangle is computed, in panels of columns, which is little more than half of
the work of the plain product.

A ridge of 1 is small beside H'H over tens of thousands of samples: rounding must not be larger, or H'H is not
positive definite any more. So products, in fp32, are of features about the mean of the first batch, which
leaves little to round of features that hardly vary; sums are in fp64, and the mean is put back there.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from learners.networks.losses import onehot
from learners.networks.product import product, widened

__all__ = ["NormalEquations"]

_PANEL: Final = 256  # columns; wide enough for full speed, narrow enough to leave out nearly half


class NormalEquations:
    """Sums over the batches so far, of T = H - 1 c' with c the mean features of the first batch.

    Attributes:
        centre: c (d,), float32, or None before the first batch.
        gram: T'T (d, d), upper triangle, float64.
        cross: T'Y (d, C), Y the one-hot labels, float64.
        total: T'1 (d,), float64.
        counts: Y'1 (C,), float64.
    """

    def __init__(self, features: int, classes: int, device: torch.device) -> None:
        self.centre: Tensor | None = None
        self.gram = torch.zeros(features, features, dtype=torch.float64, device=device)
        self.cross = torch.zeros(features, classes, dtype=torch.float64, device=device)
        self.total = torch.zeros(features, dtype=torch.float64, device=device)
        self.counts = torch.zeros(classes, dtype=torch.float64, device=device)

    @torch.no_grad()
    def add(self, h: Tensor, y: Tensor) -> None:
        """Add the rows of H (B, d) and their labels (B,); products are in fp32 under autocast too."""
        h = widened(h)
        if self.centre is None:
            self.centre = h.mean(0)
        columns = (h - self.centre).t().contiguous()  # (d, B): a panel is then whole rows
        labels = onehot(y, self.cross.shape[1]).to(columns.dtype)
        with torch.autocast(h.device.type, enabled=False):
            for first in range(0, len(columns), _PANEL):
                self.gram[first : first + _PANEL, first:] += product(
                    columns[first : first + _PANEL], columns[first:]
                )
            self.cross += product(columns, labels.t())
        self.total += columns.sum(1)
        self.counts += labels.sum(0)

    @torch.no_grad()
    def solve(self, ridge: float) -> Tensor | None:
        """Return V' (C, d) in fp32, by Cholesky factors; None where H'H + ridge I is not positive definite.

        May be called once: the mean is put back, and the ridge added, in place.
        """
        assert self.centre is not None, "there is data"
        centre = self.centre.double()
        # H'H = T'T + c s' + s c' + n c c' = T'T + c u' + u c', with s = T'1 and u = s + n c / 2
        moved = self.total + 0.5 * self.counts.sum() * centre
        self.gram.addmm_(torch.stack([centre, moved], 1), torch.stack([moved, centre]))
        self.cross.addr_(centre, self.counts)
        self.gram.diagonal().add_(ridge)
        factor, info = torch.linalg.cholesky_ex(self.gram, upper=True)
        return None if int(info) else torch.cholesky_solve(self.cross, factor, upper=True).t().float()
