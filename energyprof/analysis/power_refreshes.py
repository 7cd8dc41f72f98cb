"""Refreshes of a domain without a counter: integrated power, and what the averaging window did not see.

A reading ``v`` over a window ``w`` says that the ``w`` seconds before its refresh held ``w v`` joules. Of an
interval of length ``D`` between two refreshes the rest, ``D - w``, was not seen; there power lies in the
device's range. Where the windows abut (``w`` is the refresh period) nothing is unseen, and an error in the
time of a refresh moves energy only as far as the readings on its two sides differ.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from energyprof.analysis.arrays import Floats
from energyprof.analysis.power_curve import PowerCurve
from energyprof.analysis.refreshes import PowerRange, Refreshes

__all__ = ["model_refreshes", "power_refreshes"]


ABUT: Final = 0.05  # windows within this share of the refresh period follow one another without a break
SILENT: Final = 1.5  # a longer wait for the next reading, in refreshes, is a gap
UNIT_W: Final = 1e-3  # NVML gives milliwatts


def power_refreshes(power: PowerCurve, limits: PowerRange) -> Refreshes:
    """Return what power readings say of the cumulative energy, with guaranteed bounds."""
    if power.window_s > 1.5 * power.refresh_s:
        return _moving_mean(power, limits)
    since, until, at = power.since_s, power.until_s, power.at_s
    value = power.power_w[1:]
    silent = np.diff(at) > SILENT * power.refresh_s
    if abs(power.window_s - power.refresh_s) <= ABUT * power.refresh_s:
        low, high = _abutting(power)
    else:
        low, high = _unseen(since, until, value, power.window_s, limits)
    wide_low, wide_high = _unseen(since, until, value, min(power.window_s, power.refresh_s), limits)
    low, high = np.where(silent, wide_low, low), np.where(silent, wide_high, high)
    estimate = np.diff(power.cumulative_j(at))
    return Refreshes(
        since_s=since,
        until_s=until,
        low_j=np.minimum(low, estimate),
        energy_j=estimate,
        high_j=np.maximum(high, estimate),
        slack_j=_edge_slack(power),
        gap=silent,
    )


def model_refreshes(power: PowerCurve, limits: PowerRange) -> Refreshes:
    """Return what a model of power (utilisation x TDP) says; its bounds are the model's whole range."""
    at = power.until_s
    length = np.maximum(np.diff(at), 0.0)
    energy = power.power_w[1:] * length
    return Refreshes(
        since_s=at,
        until_s=at,
        low_j=np.minimum(limits.floor_w * length, energy),
        energy_j=energy,
        high_j=np.maximum(limits.ceiling_w * length, energy),
        slack_j=np.zeros(len(at)),
        gap=length > 10 * SILENT * power.refresh_s,
    )


def _abutting(power: PowerCurve) -> tuple[Floats, Floats]:
    """Bound increments where windows abut: refresh times err, and pass energy between neighbours."""
    value = power.power_w
    half = 0.5 * (power.until_s - power.since_s)
    moved = np.abs(np.diff(value)) * half[:-1]  # by the error of the time of the refresh that opens it
    estimate = np.diff(power.cumulative_j(power.at_s))
    unit = UNIT_W * power.refresh_s
    return np.maximum(estimate - moved - unit, 0.0), estimate + moved + unit


def _unseen(
    since: Floats, until: Floats, value: Floats, window_s: float, limits: PowerRange
) -> tuple[Floats, Floats]:
    """Bound increments by what the window saw and by the power range for what it did not."""
    seen = window_s * value
    least = since[1:] - until[:-1] - window_s
    most = until[1:] - since[:-1] - window_s
    low = seen + np.where(least > 0, limits.floor_w, limits.ceiling_w) * least
    high = seen + np.where(most > 0, limits.ceiling_w, limits.floor_w) * most
    return np.maximum(low, 0.0), np.maximum(high, 0.0)


def _edge_slack(power: PowerCurve) -> Floats:
    """Return how far the energy at a refresh lies from its value because the refresh's time is not known."""
    following = np.append(power.power_w[1:], power.power_w[-1])
    slack: Floats = 0.5 * (power.until_s - power.since_s) * np.maximum(power.power_w, following)
    return slack


def _moving_mean(power: PowerCurve, limits: PowerRange) -> Refreshes:
    """Return a chain of readings one window apart: each says exactly what its window held."""
    kept = _chain(power)
    since, until = power.since_s[kept], power.until_s[kept]
    at, value = 0.5 * (since + until), power.power_w[kept][1:]
    length = np.diff(at)
    low, high = _unseen(since, until, value, power.window_s, limits)
    shape = np.diff(power.cumulative_j(at))
    silent = length > power.window_s + power.refresh_s
    estimate = np.where(silent, shape, value * length)
    return Refreshes(
        since_s=since,
        until_s=until,
        low_j=np.minimum(low, estimate),
        energy_j=estimate,
        high_j=np.maximum(high, estimate),
        slack_j=np.zeros(len(at)),
        gap=silent,
    )


def _chain(power: PowerCurve) -> NDArray[np.int64]:
    at, kept, last = power.at_s, [], -np.inf
    wanted = power.window_s - 0.5 * power.refresh_s
    index = 0
    while index < len(at):
        kept.append(index)
        last = at[index]
        index = max(index + 1, int(np.searchsorted(at, last + wanted)))
    return np.array(kept, np.int64)
