"""Least squares with lower bounds of zero, from the normal equations."""

from __future__ import annotations

import numpy as np

from energyprof.analysis.arrays import Bools, Floats

__all__ = ["non_negative_least_squares"]


def non_negative_least_squares(gram: Floats, moment: Floats) -> Floats:
    """Return ``x >= 0`` that minimises ``x' gram x / 2 - moment' x``.

    The active-set method of Lawson and Hanson (Solving Least Squares Problems, 1974, chapter 23) on the
    normal equations: variables enter one by one where the gradient asks for them, and leave where the
    solution would turn negative. Ends after a finite number of steps.

    Args:
        gram: (p, p) positive definite, ``A' A``.
        moment: (p,) ``A' y``.
    """
    count = len(moment)
    x, free = np.zeros(count), np.zeros(count, bool)
    tolerance = 1e-12 * max(float(np.abs(moment).max(initial=0.0)), 1e-300)
    for _ in range(3 * count + 10):
        gradient = np.where(free, -np.inf, moment - gram @ x)
        enters = int(np.argmax(gradient)) if count else 0
        if not count or gradient[enters] <= tolerance:
            break
        free[enters] = True
        x = _descend(gram, moment, x, free)
    return x


def _descend(gram: Floats, moment: Floats, x: Floats, free: Bools) -> Floats:
    """Solve for the free variables; those that would turn negative are held at zero, one by one."""
    while free.any():
        wanted = np.zeros_like(x)
        wanted[free] = np.linalg.solve(gram[np.ix_(free, free)], moment[free])
        falls = free & (wanted <= 0)
        if not falls.any():
            return wanted
        share = float((x[falls] / np.maximum(x[falls] - wanted[falls], 1e-300)).min())
        x = x + share * (wanted - x)
        free &= x > 1e-15 * max(float(x.max()), 1e-300)
        x = np.where(free, x, 0.0)
    return np.zeros_like(x)
