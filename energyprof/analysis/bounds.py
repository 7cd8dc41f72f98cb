"""Guaranteed bounds of a cumulative energy between its refreshes.

A refresh known to lie in ``[s, u]`` with energy ``V`` says ``E(s) <= V <= E(u)``, and the power range says
that ``E`` rises by between ``floor`` and ``ceiling`` watts. The tightest bounds that follow are
piecewise linear::

    E(t) <= min over refreshes of  V + ceiling (t - s)  for t >= s,   V - floor (s - t)    for t <= s
    E(t) >= max over refreshes of  V + floor   (t - u)  for t >= u,   V - ceiling (u - t)  for t <= u

and for a difference, with ``d = t1 - t0``::

    max(floor d, low(t1) - high(t0))  <=  E(t1) - E(t0)  <=  min(ceiling d, high(t1) - low(t0))

Inside one refresh interval that is the joint bound ``min(ceiling d, dE - floor (D - d))``. These are
difference constraints on a line; the shortest path between two points either runs along the line or passes
once through the known energies, so nothing tighter can be said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from energyprof.analysis.arrays import Floats
from energyprof.analysis.refreshes import PowerRange, Refreshes

__all__ = ["Envelope", "Knots", "envelope"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Knots:
    """A piecewise linear function of time: ``value_j`` (n,) at ``time_s`` (n,), non-decreasing."""

    time_s: Floats
    value_j: Floats

    def at(self, time_s: Floats) -> Floats:
        """Return the function at each time."""
        return np.interp(time_s, self.time_s, self.value_j)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The highest and the lowest that a cumulative energy can be."""

    high: Knots
    low: Knots


def envelope(
    refreshes: Refreshes, increments_j: Floats, limits: PowerRange, span_s: tuple[float, float]
) -> Envelope:
    """Return the envelope of a cumulative energy that rises by ``increments_j`` between its refreshes.

    Args:
        refreshes: when.
        increments_j: (n - 1,) how much; ``low_j`` or ``high_j`` of ``refreshes``.
        limits: the power range. Where an increment breaks it, it gives way there.
        span_s: from when to when the envelope is wanted; the refreshes may end before.
    """
    value = np.concatenate([[0.0], np.cumsum(increments_j)])
    ceiling = np.maximum(
        limits.ceiling_w, _rate(increments_j, refreshes.until_s[1:] - refreshes.since_s[:-1])
    )
    room = refreshes.since_s[1:] - refreshes.until_s[:-1]
    floor = np.minimum(limits.floor_w, np.where(room > 0, _rate(increments_j, room), np.inf))
    return Envelope(
        high=_high(refreshes.since_s, value + refreshes.slack_j, floor, ceiling, limits, span_s),
        low=_low(refreshes.until_s, value - refreshes.slack_j, floor, ceiling, limits, span_s),
    )


def _rate(energy_j: Floats, length_s: Floats) -> Floats:
    return energy_j / np.maximum(length_s, 1e-9)


def _high(
    at: Floats, value: Floats, floor: Floats, ceiling: Floats, limits: PowerRange, span: tuple[float, float]
) -> Knots:
    length, rise = np.diff(at), np.diff(value)
    turn = np.clip((rise - floor * length) / np.maximum(ceiling - floor, 1e-12), 0.0, length)
    peak = np.minimum(value[:-1] + ceiling * turn, value[1:] - floor * (length - turn))
    start, end = min(span[0], at[0]), max(span[1], at[-1])
    before = value[0] - limits.floor_w * (at[0] - start)
    after = value[-1] + limits.ceiling_w * (end - at[-1])
    return _knots(at, value, at[:-1] + turn, peak, (start, before), (end, after))


def _low(
    at: Floats, value: Floats, floor: Floats, ceiling: Floats, limits: PowerRange, span: tuple[float, float]
) -> Knots:
    length, rise = np.diff(at), np.diff(value)
    turn = np.clip((ceiling * length - rise) / np.maximum(ceiling - floor, 1e-12), 0.0, length)
    dip = np.maximum(value[:-1] + floor * turn, value[1:] - ceiling * (length - turn))
    start, end = min(span[0], at[0]), max(span[1], at[-1])
    before = value[0] - limits.ceiling_w * (at[0] - start)
    after = value[-1] + limits.floor_w * (end - at[-1])
    return _knots(at, value, at[:-1] + turn, dip, (start, before), (end, after))


def _knots(
    at: Floats,
    value: Floats,
    turn_at: Floats,
    turn: Floats,
    before: tuple[float, float],
    after: tuple[float, float],
) -> Knots:
    time, energy = np.empty(2 * len(at) + 1), np.empty(2 * len(at) + 1)
    time[0], energy[0] = before
    time[1:-1:2], energy[1:-1:2] = at, value
    time[2:-1:2], energy[2:-1:2] = turn_at, turn
    time[-1], energy[-1] = after
    return Knots(time_s=time, value_j=energy)
