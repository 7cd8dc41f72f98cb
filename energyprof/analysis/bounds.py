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

from dataclasses import dataclass, replace

import numpy as np

from energyprof.analysis.arrays import Floats
from energyprof.analysis.refreshes import PowerRange, Refreshes

__all__ = ["Envelope", "Knots", "envelope", "observed_range", "within_range"]


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


def observed_range(refreshes: Refreshes, stated: PowerRange) -> PowerRange:
    """Return the stated power range, widened where increments prove it wrong.

    A mean over an interval beyond the range means that power went further still: by a fifth, it is taken.
    """
    longest = refreshes.until_s[1:] - refreshes.since_s[:-1]
    shortest = refreshes.since_s[1:] - refreshes.until_s[:-1]
    slack = refreshes.slack_j[1:] + refreshes.slack_j[:-1]
    most = (refreshes.energy_j - slack) / np.maximum(longest, 1e-9)
    least = np.where(shortest > 0, (refreshes.energy_j + slack) / np.maximum(shortest, 1e-9), np.inf)
    highest, lowest = float(most.max(initial=-np.inf)), float(least.min(initial=np.inf))
    return replace(
        stated,
        floor_w=0.8 * lowest if lowest < stated.floor_w else stated.floor_w,
        ceiling_w=1.2 * highest if highest > stated.ceiling_w else stated.ceiling_w,
    )


def within_range(refreshes: Refreshes, limits: PowerRange) -> Refreshes:
    """Return refreshes whose increments promise no more and no less than the power range allows."""
    longest = refreshes.until_s[1:] - refreshes.since_s[:-1]
    shortest = np.maximum(refreshes.since_s[1:] - refreshes.until_s[:-1], 0.0)
    most = np.minimum(refreshes.high_j, limits.ceiling_w * longest)
    least = np.maximum(refreshes.low_j, limits.floor_w * shortest)
    return replace(
        refreshes,
        low_j=np.minimum(least, refreshes.energy_j),
        high_j=np.maximum(most, refreshes.energy_j),
    )


def envelope(
    refreshes: Refreshes, increments_j: Floats, limits: PowerRange, span_s: tuple[float, float]
) -> Envelope:
    """Return the envelope of a cumulative energy that rises by ``increments_j`` between its refreshes.

    Args:
        refreshes: when.
        increments_j: (n - 1,) how much; ``low_j`` or ``high_j`` of ``refreshes``.
        limits: the power range; no increment breaks it.
        span_s: from when to when the envelope is wanted; the refreshes may end before.
    """
    value = np.concatenate([[0.0], np.cumsum(increments_j)])
    high, low = value + refreshes.slack_j, value - refreshes.slack_j
    if refreshes.exact:
        high = _tightened_high(refreshes.since_s, high, limits)
        low = _tightened_low(refreshes.until_s, low, limits)
    start, end = min(span_s[0], refreshes.since_s[0]), max(span_s[1], refreshes.until_s[-1])
    return Envelope(
        high=_high(refreshes.since_s, high, limits, (start, end)),
        low=_low(refreshes.until_s, low, limits, (start, end)),
    )


def _tightened_high(at: Floats, value: Floats, limits: PowerRange) -> Floats:
    length, tight = np.diff(at), value.copy()
    tight[1:] = np.minimum(tight[1:], value[:-1] + limits.ceiling_w * length)
    tight[:-1] = np.minimum(tight[:-1], value[1:] - limits.floor_w * length)
    return tight


def _tightened_low(at: Floats, value: Floats, limits: PowerRange) -> Floats:
    length, tight = np.diff(at), value.copy()
    tight[1:] = np.maximum(tight[1:], value[:-1] + limits.floor_w * length)
    tight[:-1] = np.maximum(tight[:-1], value[1:] - limits.ceiling_w * length)
    return tight


def _high(at: Floats, value: Floats, limits: PowerRange, span: tuple[float, float]) -> Knots:
    """Join the refreshes: up at the ceiling from the one before, until the floor leads to the next."""
    length, rise, floor, ceiling = np.diff(at), np.diff(value), limits.floor_w, limits.ceiling_w
    turn = np.clip((rise - floor * length) / max(ceiling - floor, 1e-12), 0.0, length)
    peak = np.minimum(value[:-1] + ceiling * turn, value[1:] - floor * (length - turn))
    before, after = value[0] - floor * (at[0] - span[0]), value[-1] + ceiling * (span[1] - at[-1])
    return _knots(at, value, (at[:-1] + turn, peak), (span[0], before), (span[1], after))


def _low(at: Floats, value: Floats, limits: PowerRange, span: tuple[float, float]) -> Knots:
    """Join the refreshes: along at the floor from the one before, until the ceiling leads to the next."""
    length, rise, floor, ceiling = np.diff(at), np.diff(value), limits.floor_w, limits.ceiling_w
    turn = np.clip((ceiling * length - rise) / max(ceiling - floor, 1e-12), 0.0, length)
    dip = np.maximum(value[:-1] + floor * turn, value[1:] - ceiling * (length - turn))
    before, after = value[0] - ceiling * (at[0] - span[0]), value[-1] + floor * (span[1] - at[-1])
    return _knots(at, value, (at[:-1] + turn, dip), (span[0], before), (span[1], after))


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
