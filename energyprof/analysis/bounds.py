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
once through the known energies, so nothing tighter can be said. Here the minimum is taken over the two
refreshes around ``t`` and their neighbours; those further away add nothing unless brackets overlap.

Where increments are known only as a range, ``high`` is built from the greatest of them for upper bounds, and
``low`` from the least for lower bounds: each difference then holds every increment between its ends once.
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


@dataclass(frozen=True, slots=True)
class _Slopes:
    """The power range in each interval between refreshes, and beyond the ends."""

    floor: Floats
    ceiling: Floats
    limits: PowerRange
    start_s: float
    end_s: float


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
    slopes = _slopes(refreshes, increments_j, limits, span_s)
    high, low = value + refreshes.slack_j, value - refreshes.slack_j
    if refreshes.exact:
        high = _tightened_high(refreshes.since_s, high, slopes)
        low = _tightened_low(refreshes.until_s, low, slopes)
    return Envelope(high=_high(refreshes.since_s, high, slopes), low=_low(refreshes.until_s, low, slopes))


def _slopes(
    refreshes: Refreshes, increments: Floats, limits: PowerRange, span_s: tuple[float, float]
) -> _Slopes:
    longest = refreshes.until_s[1:] - refreshes.since_s[:-1]
    shortest = refreshes.since_s[1:] - refreshes.until_s[:-1]
    slack = refreshes.slack_j[1:] + refreshes.slack_j[:-1]
    most = (increments - slack) / np.maximum(longest, 1e-9)
    least = np.where(shortest > 0, (increments + slack) / np.maximum(shortest, 1e-9), np.inf)
    return _Slopes(
        floor=np.minimum(limits.floor_w, least),
        ceiling=np.maximum(limits.ceiling_w, most),
        limits=limits,
        start_s=min(span_s[0], refreshes.since_s[0]),
        end_s=max(span_s[1], refreshes.until_s[-1]),
    )


def _tightened_high(at: Floats, value: Floats, slopes: _Slopes) -> Floats:
    length, tight = np.diff(at), value.copy()
    tight[1:] = np.minimum(tight[1:], value[:-1] + slopes.ceiling * length)
    tight[:-1] = np.minimum(tight[:-1], value[1:] - slopes.floor * length)
    return tight


def _tightened_low(at: Floats, value: Floats, slopes: _Slopes) -> Floats:
    length, tight = np.diff(at), value.copy()
    tight[1:] = np.maximum(tight[1:], value[:-1] + slopes.floor * length)
    tight[:-1] = np.maximum(tight[:-1], value[1:] - slopes.ceiling * length)
    return tight


def _high(at: Floats, value: Floats, slopes: _Slopes) -> Knots:
    """Join the refreshes: up at the ceiling from the one before, until the floor leads to the next."""
    length, rise, floor, ceiling = np.diff(at), np.diff(value), slopes.floor, slopes.ceiling
    turn = np.clip((rise - floor * length) / np.maximum(ceiling - floor, 1e-12), 0.0, length)
    peak = np.minimum(value[:-1] + ceiling * turn, value[1:] - floor * (length - turn))
    before = value[0] - slopes.limits.floor_w * (at[0] - slopes.start_s)
    after = value[-1] + slopes.limits.ceiling_w * (slopes.end_s - at[-1])
    return _knots(at, value, (at[:-1] + turn, peak), (slopes.start_s, before), (slopes.end_s, after))


def _low(at: Floats, value: Floats, slopes: _Slopes) -> Knots:
    """Join the refreshes: along at the floor from the one before, until the ceiling leads to the next."""
    length, rise, floor, ceiling = np.diff(at), np.diff(value), slopes.floor, slopes.ceiling
    turn = np.clip((ceiling * length - rise) / np.maximum(ceiling - floor, 1e-12), 0.0, length)
    dip = np.maximum(value[:-1] + floor * turn, value[1:] - ceiling * (length - turn))
    before = value[0] - slopes.limits.ceiling_w * (at[0] - slopes.start_s)
    after = value[-1] + slopes.limits.floor_w * (slopes.end_s - at[-1])
    return _knots(at, value, (at[:-1] + turn, dip), (slopes.start_s, before), (slopes.end_s, after))


def _knots(
    at: Floats,
    value: Floats,
    turn: tuple[Floats, Floats],
    before: tuple[float, float],
    after: tuple[float, float],
) -> Knots:
    time, energy = np.empty(2 * len(at) + 1), np.empty(2 * len(at) + 1)
    (time[0], energy[0]), (time[-1], energy[-1]) = before, after
    time[1:-1:2], energy[1:-1:2] = at, value
    time[2:-1:2], energy[2:-1:2] = turn
    return Knots(time_s=time, value_j=energy)
