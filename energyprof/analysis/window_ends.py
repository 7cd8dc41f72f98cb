"""The ends of the window: refreshes do not fall on them, and power changes there.

The refresh interval in which the window opens holds both what went before and the first work. Split by time
alone, the first work would get too little. It is split by what the phases draw on the one side and what was
drawn in the interval before on the other; and the same where the window closes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from energyprof.analysis.arrays import NS
from energyprof.analysis.bounds import Knots
from energyprof.analysis.energy_curve import SensorCurve
from energyprof.analysis.modelled import RawEnergy

__all__ = ["with_split_ends"]


def with_split_ends(part: SensorCurve, raw: RawEnergy) -> SensorCurve:
    """Return the curve with its estimate split at the window's ends; its bounds stay as they are.

    Args:
        part: a sensor's curve.
        raw: energy along the window's segments by the phases' watts.
    """
    open_s, close_s = float(raw.segments.start_ns[0]) * NS, raw.segments.end_ns * NS
    at = part.refreshes.at_s
    opens, closes = (int(np.searchsorted(at, end, side="right")) - 1 for end in (open_s, close_s))
    if opens == closes:
        return part  # no refresh inside: nothing tells the sides apart
    estimate = part.estimate
    if 1 <= opens < len(at) - 1 and at[opens] < open_s:
        before = _rate(part, opens - 1) * (open_s - at[opens])
        inside = float(np.diff(raw.at(np.array([open_s, at[opens + 1]])))[0])
        estimate = _split(estimate, (at[opens], open_s, at[opens + 1]), before, inside)
    if 0 <= closes < len(at) - 2 and at[closes] < close_s:
        inside = float(np.diff(raw.at(np.array([at[closes], close_s])))[0])
        after = _rate(part, closes + 1) * (at[closes + 1] - close_s)
        estimate = _split(estimate, (at[closes], close_s, at[closes + 1]), inside, after)
    return replace(part, estimate=estimate)


def _rate(part: SensorCurve, interval: int) -> float:
    at = part.refreshes.at_s
    return float(part.refreshes.energy_j[interval] / max(at[interval + 1] - at[interval], 1e-9))


def _split(estimate: Knots, times_s: tuple[float, float, float], first_j: float, second_j: float) -> Knots:
    """Put one knot between two refreshes so that their energy falls on both sides in this proportion."""
    start, middle, end = (float(time) for time in times_s)
    if first_j + second_j <= 0:
        return estimate
    low, high = estimate.at(np.array([start, end]))
    outside = (estimate.time_s <= start) | (estimate.time_s >= end)
    place = int(np.searchsorted(estimate.time_s[outside], middle))
    value = low + (high - low) * first_j / (first_j + second_j)
    return Knots(
        time_s=np.insert(estimate.time_s[outside], place, middle),
        value_j=np.insert(estimate.value_j[outside], place, value),
    )
