"""Refreshes: what is known of a sensor's cumulative energy at the moments when its value changed.

A counter gives the increment between two refreshes exactly; a power reading gives the part of it that its
averaging window saw, and the device's power range bounds the rest. Both become the same thing here: nodes,
each known to lie in an interval of time, with the lowest, likeliest and highest energy between neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from energyprof.analysis.arrays import Bools, Floats
from energyprof.analysis.edge_times import EdgeTimes

__all__ = ["PowerRange", "Refreshes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerRange:
    """The range that a device's power is known to lie in, in watts.

    ``assumed`` is True where the ceiling is not known and was taken from the readings themselves.
    """

    floor_w: float
    ceiling_w: float
    assumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshes:
    """Nodes of a cumulative energy.

    Attributes:
        since_s: (n,) earliest time of each refresh, seconds since recording started, non-decreasing.
        until_s: (n,) latest time of each, >= ``since_s``.
        at: (n,) likeliest time of each, and how well it is known.
        low_j: (n - 1,) least energy between neighbours.
        energy_j: (n - 1,) estimate of it.
        high_j: (n - 1,) most energy between neighbours.
        slack_j: (n,) how far the energy at the refresh may lie from what the reading says (quantisation).
        gap: (n - 1,) True where the sensor says nothing of the energy in between.
    """

    since_s: Floats
    until_s: Floats
    at: EdgeTimes
    low_j: Floats
    energy_j: Floats
    high_j: Floats
    slack_j: Floats
    gap: Bools

    @property
    def at_s(self) -> Floats:
        """Return (n,) the likeliest time of each refresh."""
        return self.at.at_s

    @property
    def exact(self) -> bool:
        """Tell whether every increment is known."""
        return bool(np.array_equal(self.low_j, self.high_j))

    def __len__(self) -> int:
        """Return the number of refreshes."""
        return len(self.since_s)
