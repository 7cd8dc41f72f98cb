"""Refreshes of an energy counter: increments known exactly, but across resets, failures and freezes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from energyprof.analysis.arrays import NS, Bools, Floats, seconds
from energyprof.analysis.power_curve import PowerCurve
from energyprof.analysis.refreshes import PowerRange, Refreshes
from energyprof.record.trace import Channel

__all__ = ["CounterReadings", "counter_readings", "counter_refreshes"]


QUANTUM_J: Final = 1e-3  # NVML counts millijoules; RAPL's unit (61 uJ) lies below
FROZEN_REFRESHES: Final = 10  # a counter that stands still for longer is suspected
CAUGHT_UP: Final = 0.8  # a counter that shows this share of the expected energy after a gap lost nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterReadings:
    """The moments at which a counter's value changed.

    Attributes:
        since_s: (n,) earliest time of each change.
        until_s: (n,) latest time of each.
        energy_j: (n,) the counter.
        broken: (n - 1,) True where continuity was lost between neighbours.
        refresh_s: time between changes.
        seen_until_s: when it was last seen, moved or not.
    """

    since_s: Floats
    until_s: Floats
    energy_j: Floats
    broken: Bools
    refresh_s: float
    seen_until_s: float


def counter_readings(channel: Channel, refresh_s: float | None, lag_s: float) -> CounterReadings:
    """Reduce a counter's rows to its changes.

    The first value was already there when reading began: its refresh lies up to one period before. So does
    that of the first value after a gap.

    Args:
        channel: an energy channel with at least one row.
        refresh_s: the sensor's refresh period; the median time between changes where it is None.
        lag_s: how much later than its energy a reading shows.
    """
    moved = np.concatenate([[True], channel.value[1:] != channel.value[:-1]])
    since = seconds(channel.since_ns[moved]) - lag_s
    until = seconds(channel.t_ns[moved]) - lag_s
    if refresh_s is None or refresh_s <= 0:
        refresh_s = float(np.median(np.diff(until))) if len(until) > 1 else 0.1
    broken = _broken(channel, moved)
    unseen = np.concatenate([[True], broken])
    since = np.where(unseen, np.minimum(since, until - refresh_s), since)
    since = np.minimum.accumulate(since[::-1])[::-1]
    return CounterReadings(
        since_s=since,
        until_s=np.maximum.accumulate(until),
        energy_j=channel.value[moved],
        broken=broken,
        refresh_s=refresh_s,
        seen_until_s=float(channel.t_ns[-1]) * NS - lag_s,
    )


def _broken(channel: Channel, moved: Bools) -> Bools:
    """Tell between which changes a gap lies, from the last row that showed the value to the next change."""
    first = np.flatnonzero(moved)
    broken = np.zeros(max(len(first) - 1, 0), bool)
    if not len(channel.gap_ns) or not len(broken):
        return broken
    starts, ends = channel.gap_ns[:, 0], channel.gap_ns[:, 1]
    k = np.searchsorted(channel.t_ns[first], starts, side="right") - 1
    last = np.searchsorted(channel.t_ns[first], ends, side="left")
    for a, b in zip(np.maximum(k, 0), np.maximum(last, 1), strict=True):
        broken[a : max(b, a + 1)] = True
    return broken


def counter_refreshes(readings: CounterReadings, power: PowerCurve | None, limits: PowerRange) -> Refreshes:
    """Return what a counter says, with the energy of gaps and freezes bounded by the power range.

    In a gap the counter's own increment is the least energy (a reset loses energy, it adds none); the
    estimate follows the power reading, or the power around the gap where there is none.
    """
    known = np.maximum(np.diff(readings.energy_j), 0.0)
    at = 0.5 * (readings.since_s + readings.until_s)
    length = np.maximum(np.diff(at), 0.0)
    longest = readings.until_s[1:] - readings.since_s[:-1]
    shortest = np.maximum(readings.since_s[1:] - readings.until_s[:-1], 0.0)
    expected = _expected_energy(readings, at, known, length, power)
    suspect = readings.broken | (length > FROZEN_REFRESHES * readings.refresh_s)
    gap = readings.broken | (suspect & (known < 0.5 * expected))
    estimate = np.where(gap & (known < CAUGHT_UP * expected), expected, known)
    most = np.where(gap, np.maximum(limits.ceiling_w * longest, known), known)
    least = np.where(gap, np.maximum(limits.floor_w * shortest, known - QUANTUM_J), known)
    return Refreshes(
        since_s=readings.since_s,
        until_s=readings.until_s,
        low_j=np.minimum(least, estimate),
        energy_j=estimate,
        high_j=np.maximum(most, estimate),
        slack_j=np.full(len(at), 0.5 * QUANTUM_J),
        gap=gap,
    )


def _expected_energy(
    readings: CounterReadings, at: Floats, known: Floats, length: Floats, power: PowerCurve | None
) -> Floats:
    """Return the energy that each interval should hold by the power reading, or by its neighbours."""
    if power is not None and len(power):
        return np.diff(power.cumulative_j(at))
    sound = ~readings.broken & (length > 0) & (length <= FROZEN_REFRESHES * readings.refresh_s)
    where = np.flatnonzero(sound)
    if not len(where):
        return np.zeros_like(known)
    watts = known[where] / length[where]
    after = np.minimum(np.searchsorted(where, np.arange(len(known))), len(where) - 1)
    before = np.maximum(np.searchsorted(where, np.arange(len(known)), side="right") - 1, 0)
    return 0.5 * (watts[after] + watts[before]) * length
