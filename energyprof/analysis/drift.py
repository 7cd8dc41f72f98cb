"""Drift: power of all phases rising or falling together over a run, as a device warms up."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np

from energyprof.analysis.arrays import Floats
from energyprof.analysis.equations import Equations

__all__ = ["drift_factors", "rescaled"]

ROWS_A_BLOCK: Final = 60
MOST_BLOCKS: Final = 24


def drift_factors(equations: Equations, power_w: Floats) -> Floats:
    """Return (b,) by how much more than on average each block draws for the same work; ones where that is
    noise.

    Blocks of time are believed to differ if that explains more than chance would: by the Bayesian information
    criterion (G. Schwarz, Annals of Statistics 6 (1978) 461).

    Args:
        equations: the equations in blocks.
        power_w: (p,) the power of each phase without drift.
    """
    ones = np.ones(len(equations.energy_j))
    groups = min(equations.rows // ROWS_A_BLOCK, MOST_BLOCKS, len(ones))
    if groups < 2:
        return ones
    group = np.arange(len(ones)) * groups // len(ones)
    cross = np.bincount(group, weights=equations.moment @ power_w)
    own = np.bincount(group, weights=np.einsum("p,bpq,q->b", power_w, equations.gram, power_w))
    factor = np.where(own > 0, cross / np.maximum(own, 1e-300), 1.0)
    before = float(equations.square.sum() - 2 * cross.sum() + own.sum())
    after = float(equations.square.sum() - 2 * (factor * cross).sum() + (factor**2 * own).sum())
    gain = equations.rows * math.log(max(before, 1e-12) / max(after, 1e-12))
    if gain <= groups * math.log(equations.rows):
        return ones
    factors: Floats = factor[group]
    return factors


def rescaled(equations: Equations, factors: Floats) -> Equations:
    """Return the equations with time weighed by the drift of its block: as if every block drew the mean."""
    return replace(
        equations,
        gram=equations.gram * (factors**2)[:, None, None],
        moment=equations.moment * factors[:, None],
        seconds=equations.seconds * factors[:, None],
    )
