"""Sensors that see part of the time: what they did not see, filled in by what the run was doing then.

A power reading that averages 25 ms of every 100 ms says nothing of the other 75. The marks do: they tell how
long the run was in each phase, seen or not, and the regression tells each phase's watts from the windows that
were seen. The energy is the model's, corrected block by block by what was read against what the model says of
the same windows (a ratio estimate), so that slow changes of power come through.

The problem: Yang, Adamek, Armour, "Part-time Power Measurements" (SC24). Ratio estimates: W. G. Cochran,
Sampling Techniques (1977), chapter 6.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from energyprof.analysis.arrays import NS, Floats, distinct
from energyprof.analysis.bounds import Knots
from energyprof.analysis.energy_curve import SensorCurve
from energyprof.analysis.modelled import RawEnergy
from energyprof.analysis.power_curve import PowerCurve

__all__ = ["filled_in"]

BLOCK: Final = 50  # readings a correction is taken over


def filled_in(part: SensorCurve, raw: RawEnergy) -> SensorCurve:
    """Return the curve with its estimate inside the window by model and correction; bounds stay as they are.

    Args:
        part: a sensor that sees part of the time.
        raw: energy along the segments by the phases' watts.
    """
    power = part.power
    open_s, close_s = float(raw.segments.start_ns[0]) * NS, raw.segments.end_ns * NS
    if power is None:
        return part
    inside = (power.at_s - power.window_s >= open_s) & (power.at_s <= close_s)
    if not inside.any():
        return part
    knots_s = distinct(np.concatenate([[open_s], np.clip(power.at_s[inside], open_s, close_s), [close_s]]))
    model = raw.at(knots_s)
    rate = np.interp(0.5 * (knots_s[1:] + knots_s[:-1]), *_correction(power, inside, raw))
    energy = np.concatenate([[0.0], np.cumsum(np.diff(model) * rate)])
    return replace(part, estimate=_spliced(part.estimate, knots_s, energy))


def _correction(
    power: PowerCurve, inside: np.ndarray[tuple[int], np.dtype[np.bool_]], raw: RawEnergy
) -> tuple[Floats, Floats]:
    """Return times, and what was read around them over what the model says of the same windows."""
    at, read = power.at_s[inside], power.power_w[inside] * power.window_s
    expected = raw.at(at) - raw.at(at - power.window_s)
    blocks = max(len(at) // BLOCK, 1)
    first = np.arange(blocks) * len(at) // blocks
    ratio = np.add.reduceat(read, first) / np.maximum(np.add.reduceat(expected, first), 1e-12)
    return np.add.reduceat(at, first) / np.diff(np.append(first, len(at))), ratio


def _spliced(estimate: Knots, time_s: Floats, energy_j: Floats) -> Knots:
    """Put a stretch of energy into an estimate; what comes before and after keeps its shape."""
    before = estimate.time_s < time_s[0]
    after = estimate.time_s > time_s[-1]
    start, end = estimate.at(time_s[:1])[0], estimate.at(time_s[-1:])[0]
    return Knots(
        time_s=np.concatenate([estimate.time_s[before], time_s, estimate.time_s[after]]),
        value_j=np.concatenate(
            [estimate.value_j[before], start + energy_j, estimate.value_j[after] - end + start + energy_j[-1]]
        ),
    )
