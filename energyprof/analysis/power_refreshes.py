"""Refreshes of a domain without a counter: integrated power, and what the averaging window did not see.

A reading ``v`` over a window ``w`` says that the ``w`` seconds before its refresh held ``w v`` joules. Of an
interval of length ``D`` between two refreshes the rest, ``D - w``, was not seen; there power lies in the
device's range. Where the windows abut (``w`` is the refresh period) nothing is unseen, and an error in the
time of a refresh moves energy only as far as the readings on its two sides differ.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from energyprof.analysis.arrays import Bools, Floats, Ints
from energyprof.analysis.edge_times import EdgeTimes
from energyprof.analysis.power_curve import SILENT_REFRESHES, PowerCurve
from energyprof.analysis.refreshes import PowerRange, Refreshes

__all__ = ["SILENT_MODEL_S", "model_refreshes", "power_refreshes"]

ABUT: Final = 0.05  # windows within this share of the refresh period follow one another without a break
UNIT_W: Final = 1e-3  # NVML gives milliwatts
SILENT_MODEL_S: Final = 2.0  # a model is read every 0.5 s, now and then after 1 s: a longer pause is a gap


def power_refreshes(power: PowerCurve, limits: PowerRange) -> Refreshes:
    """Return what power readings say of the cumulative energy, with guaranteed bounds."""
    if power.moving_mean:
        return _moving_mean(power, limits)
    estimate, silent = np.diff(power.cumulative_j(power.at_s)), power.silent
    seen_s = min(power.window_s, power.refresh_s)
    low, high = _unseen(power, np.arange(len(power)), seen_s, limits)
    abutting = abs(power.window_s - power.refresh_s) <= ABUT * power.refresh_s
    if abutting:
        moved, abuts = _moved(power), _abuts(power)
        low = np.where(abuts, np.maximum(estimate - moved, 0.0), low)
        high = np.where(abuts, estimate + moved, high)
    slack = _slack(power) if abutting else np.zeros(len(power))
    return Refreshes(
        since_s=power.since_s,
        until_s=power.until_s,
        at=power.at,
        low_j=np.minimum(low, estimate),
        energy_j=estimate,
        high_j=np.maximum(high, estimate),
        slack_j=slack,
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
        at=EdgeTimes(at_s=at, deviation_s=np.zeros(len(at))),
        low_j=np.minimum(limits.floor_w * length, energy),
        energy_j=energy,
        high_j=np.maximum(limits.ceiling_w * length, energy),
        slack_j=np.zeros(len(at)),
        gap=length > np.maximum(SILENT_MODEL_S, 10 * power.refresh_s),
    )


def _abuts(power: PowerCurve) -> Bools:
    """Tell which windows begin at the refresh before, as far as the times of refreshes are known."""
    longest, shortest = power.until_s[1:] - power.since_s[:-1], power.since_s[1:] - power.until_s[:-1]
    fits: Bools = (longest >= (1 - ABUT) * power.window_s) & (shortest <= (1 + ABUT) * power.window_s)
    return fits & (longest < 1.5 * power.window_s)


def _moved(power: PowerCurve) -> Floats:
    """Return the energy that an error in the time of a refresh moves from one interval to the next.

    With abutting windows the energy up to refresh ``j`` is ``sum v_k (T_k - T_{k-1})``: an error of ``T_k``
    counts ``v_k - v_{k+1}``.
    """
    half = 0.5 * (power.until_s - power.since_s)
    moved: Floats = np.abs(np.diff(power.power_w)) * half[:-1] + UNIT_W * power.refresh_s
    return moved


def _slack(power: PowerCurve) -> Floats:
    """Return how far the energy at the true time of a refresh may lie from that at its likeliest time."""
    following = np.append(power.power_w[1:], power.power_w[-1])
    slack: Floats = 0.5 * (power.until_s - power.since_s) * np.maximum(power.power_w, following)
    return slack


def _unseen(power: PowerCurve, kept: Ints, seen_s: float, limits: PowerRange) -> tuple[Floats, Floats]:
    """Bound increments by what the window saw and by the power range for what it did not."""
    since, until = power.since_s[kept], power.until_s[kept]
    seen_j = seen_s * power.power_w[kept][1:]
    least = since[1:] - until[:-1] - seen_s
    most = until[1:] - since[:-1] - seen_s
    low = seen_j + np.where(least > 0, limits.floor_w, limits.ceiling_w) * least
    high = seen_j + np.where(most > 0, limits.ceiling_w, limits.floor_w) * most
    unit = UNIT_W * seen_s
    return np.maximum(low - unit, limits.floor_w * np.maximum(least + seen_s, 0.0)), np.maximum(
        high + unit, 0.0
    )


def _moving_mean(power: PowerCurve, limits: PowerRange) -> Refreshes:
    """Return a chain of readings one window apart: each says exactly what its window held."""
    kept = _chain(power)
    at, value = power.at_s[kept], power.power_w[kept][1:]
    length = np.diff(at)
    low, high = _unseen(power, kept, power.window_s, limits)
    silent = length > power.window_s + SILENT_REFRESHES * power.refresh_s
    partial = silent | (length < power.window_s - 0.5 * power.refresh_s)
    estimate = np.where(partial, np.diff(power.cumulative_j(at)), value * length)
    return Refreshes(
        since_s=power.since_s[kept],
        until_s=power.until_s[kept],
        at=EdgeTimes(at_s=at, deviation_s=power.at.deviation_s[kept]),
        low_j=np.minimum(low, estimate),
        energy_j=estimate,
        high_j=np.maximum(high, estimate),
        slack_j=np.zeros(len(at)),
        gap=silent,
    )


def _chain(power: PowerCurve) -> Ints:
    """Return readings one window apart, counted back from the last."""
    at = power.at_s
    kept = [len(at) - 1]
    while kept[-1] > 0:
        wanted = at[kept[-1]] - power.window_s + 0.5 * power.refresh_s
        kept.append(min(kept[-1] - 1, max(int(np.searchsorted(at, wanted)) - 1, 0)))
    return np.array(kept[::-1], np.int64)
