"""Refreshes of an energy counter: increments known exactly, but across resets, failures and freezes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from energyprof.analysis.arrays import Bools, Floats, seconds
from energyprof.analysis.edge_times import EdgeTimes, edge_times
from energyprof.analysis.power_curve import STALE_REFRESHES, PowerCurve
from energyprof.analysis.refreshes import PowerRange, Refreshes
from energyprof.record.trace import Channel

__all__ = ["CounterReadings", "counter_readings", "counter_refreshes"]

QUANTUM_J: Final = 1e-3  # NVML counts millijoules; RAPL's unit (61 uJ) lies below
FROZEN_REFRESHES: Final = 10  # a counter that stands still for longer is held against the power readings
VAGUE: Final = 3.0  # times the usual width: a change known this badly in time is left out
CAUGHT_UP: Final = 0.5  # a counter that shows this share of the expected energy after a gap lost nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterReadings:
    """The moments at which a counter's value changed, or at which it was read anew after a gap.

    Attributes:
        since_s: (n,) earliest time of each change.
        until_s: (n,) latest time of each.
        at: (n,) likeliest time of each.
        energy_j: (n,) the counter.
        broken: (n - 1,) True where continuity was lost between neighbours.
        refresh_s: time between the changes that were seen.
    """

    since_s: Floats
    until_s: Floats
    at: EdgeTimes
    energy_j: Floats
    broken: Bools
    refresh_s: float


def counter_readings(channel: Channel, refresh_s: float | None, lag_s: float) -> CounterReadings:
    """Reduce a counter's rows to its changes.

    The first value was already there when reading began, and so was the first after a gap: its refresh lies
    up to 1.25 periods before, or as near as its row says.

    Args:
        channel: an energy channel with at least one row.
        refresh_s: the sensor's refresh period, or None where it is not known.
        lag_s: how much later than its energy a reading shows.
    """
    kept = _worth_keeping(channel, _changes(channel), refresh_s or 0.0)
    since, until = seconds(channel.since_ns[kept]) - lag_s, seconds(channel.t_ns[kept]) - lag_s
    broken = _broken(channel, channel.t_ns[kept])
    spacing = float(np.median(np.diff(until)[~broken])) if (~broken).any() else 0.0
    stale = STALE_REFRESHES * (refresh_s if refresh_s is not None and refresh_s > 0 else spacing)
    anew = np.concatenate([[True], broken])
    since = np.where(anew, np.maximum(since, until - stale), since)
    # Refreshes follow one another: none is earlier than the one before may be, nor later than the next.
    since, until = np.maximum.accumulate(since), np.minimum.accumulate(until[::-1])[::-1]
    return CounterReadings(
        since_s=since,
        until_s=until,
        at=edge_times(since, until, refresh_s),
        energy_j=channel.value[kept],
        broken=broken,
        refresh_s=max(spacing, refresh_s or 0.0) or 0.1,
    )


def _changes(channel: Channel) -> Bools:
    """Tell which rows are changes of the value, or the first good reading after a gap."""
    kept: Bools = np.concatenate([[True], channel.value[1:] != channel.value[:-1]])
    if len(channel.gap_ns):
        after = np.searchsorted(channel.t_ns, channel.gap_ns[:, 1], side="left")
        kept[after[after < len(kept)]] = True
    return kept


def _worth_keeping(channel: Channel, changes: Bools, refresh_s: float) -> Bools:
    """Leave out changes whose time is known far worse than usual, as after a call that hung.

    The energy between those before and after is as exact without them, and nothing is said of when they were.
    Those at either end of a gap stay: they say where it lies.
    """
    rows = np.flatnonzero(changes)
    width = seconds(channel.t_ns[rows] - channel.since_ns[rows])
    vague = width > VAGUE * max(float(np.median(width)), refresh_s)
    vague[[0, -1]] = False
    ends = channel.t_ns[rows]
    near_gap = np.searchsorted(np.sort(channel.gap_ns.ravel()), ends, side="right")
    vague[:-1] &= near_gap[1:] == near_gap[:-1]
    vague[1:] &= near_gap[1:] == near_gap[:-1]
    kept: Bools = changes.copy()
    kept[rows[vague]] = False
    return kept


def _broken(channel: Channel, until_ns: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Bools:
    """Tell between which changes a gap lies."""
    broken = np.zeros(len(until_ns) - 1, bool)
    first = np.maximum(np.searchsorted(until_ns, channel.gap_ns[:, 0], side="right") - 1, 0)
    last = np.searchsorted(until_ns, channel.gap_ns[:, 1], side="left")
    for begin, end in zip(first, last, strict=True):
        broken[begin:end] = True
    return broken


def counter_refreshes(readings: CounterReadings, power: PowerCurve | None, limits: PowerRange) -> Refreshes:
    """Return what a counter says, with the energy of gaps and freezes bounded by the power range.

    In a gap the counter's own increment is the least energy (a reset loses energy, it adds none); the
    estimate follows the power reading, or the power around the gap where there is none.
    """
    known = np.maximum(np.diff(readings.energy_j), 0.0)
    at = readings.at.at_s
    longest = readings.until_s[1:] - readings.since_s[:-1]
    shortest = np.maximum(readings.since_s[1:] - readings.until_s[:-1], 0.0)
    expected = _expected_energy(readings, at, known, power)
    gap = readings.broken.copy()
    if power is not None:
        gap |= (np.diff(at) > FROZEN_REFRESHES * readings.refresh_s) & (known < 0.5 * expected)
    estimate = np.where(gap & (known < CAUGHT_UP * expected), expected, known)
    most = np.where(gap, np.maximum(limits.ceiling_w * longest, known), known)
    least = np.where(gap, np.maximum(limits.floor_w * shortest, known - QUANTUM_J), known)
    return Refreshes(
        since_s=readings.since_s,
        until_s=readings.until_s,
        at=readings.at,
        low_j=np.minimum(least, estimate),
        energy_j=estimate,
        high_j=np.maximum(most, estimate),
        slack_j=np.full(len(at), 0.5 * QUANTUM_J),
        gap=gap,
    )


def _expected_energy(
    readings: CounterReadings, at: Floats, known: Floats, power: PowerCurve | None
) -> Floats:
    """Return the energy that each interval should hold by the power reading, or by its neighbours."""
    if power is not None:
        return np.diff(power.cumulative_j(at))
    length = np.diff(at)
    where = np.flatnonzero(~readings.broken & (length > 0))
    if not len(where):
        return np.zeros_like(known)
    watts = known[where] / length[where]
    index = np.arange(len(known))
    after = np.minimum(np.searchsorted(where, index), len(where) - 1)
    before = np.maximum(np.searchsorted(where, index, side="right") - 1, 0)
    expected: Floats = 0.5 * (watts[after] + watts[before]) * length
    return expected
