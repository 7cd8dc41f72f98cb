"""The regression of one sensor: which of its readings say energies, what to add where they do not suffice."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from energyprof.analysis.delay import MOST_DELAY_S
from energyprof.analysis.energy_curve import SensorCurve
from energyprof.analysis.equations import (
    FEW,
    Equations,
    Intervals,
    counter_intervals,
    equations,
    merged,
    power_intervals,
)
from energyprof.analysis.regression import PhasePowers, phase_powers
from energyprof.record.trace import Segments

__all__ = ["LEAST_RESOLVED", "poorly_resolved", "sensor_phase_powers"]

LEAST_RESOLVED: Final = 0.9
MOVES: Final = 4
STILL_S: Final = 2e-4  # a delay this small is well described to first order
LEAST_SHARE: Final = 0.01  # phases shorter than this share of the run are not worth more equations


def sensor_phase_powers(part: SensorCurve, segments: Segments) -> PhasePowers | None:
    """Return the power of each phase by one sensor; None where its readings do not suffice.

    A counter's increments go first. Where steps are locked to its refresh they cannot tell phases apart; the
    short windows of the power readings beside it may, since they lie in other phases each.
    """
    if not part.counted and part.power is not None:
        found = _fitted(power_intervals(part.power), segments, part)
        return None if found is None else found[1]
    found = _fitted(counter_intervals(part.refreshes), segments, part)
    if found is None or not poorly_resolved(found[1]):
        return None if found is None else found[1]
    return _with_power_readings(part, segments, *found)


def poorly_resolved(powers: PhasePowers) -> bool:
    """Tell whether a phase of some length is not told apart from the others."""
    long = powers.seconds > LEAST_SHARE * powers.seconds.sum()
    return int(long.sum()) > 1 and bool((powers.resolved[long] < LEAST_RESOLVED).any())


def _fitted(
    intervals: Intervals, segments: Segments, part: SensorCurve
) -> tuple[Equations, PhasePowers] | None:
    """Fit, and fit again with the intervals where the fit says that they are, until it moves them no more."""
    moved_s, moves = 0.0, 0
    while True:
        found = equations(intervals.later(moved_s), segments)
        powers = None if found is None else phase_powers(found, part.limits)
        if found is None or powers is None:
            return None
        still = abs(powers.delay_s) < (STILL_S if found.rows <= FEW else MOST_DELAY_S)
        moved_s, moves = moved_s + powers.delay_s, moves + 1
        if still or moves == MOVES:
            return found, replace(powers, delay_s=moved_s)


def _with_power_readings(
    part: SensorCurve, segments: Segments, counted: Equations, powers: PhasePowers
) -> PhasePowers:
    """Fit again with the power readings' windows, if these are shorter than a refresh."""
    power = part.power
    if power is None or not 0 < power.window_s < 0.95 * power.refresh_s:
        return powers
    found = _fitted(power_intervals(power), segments, part)
    if found is None:
        return powers
    read, alone = found
    # Each system weighs by what it leaves unexplained: both residuals are energies of their intervals.
    own = max(powers.noise_j2_per_s * counted.length_s, 1e-9)
    other = max(alone.noise_j2_per_s * read.length_s, 1e-9)
    both = phase_powers(merged(counted, read, own / other), part.limits)
    if both is None or not np.isfinite(both.power_w).all():
        return powers
    return replace(both, seconds=powers.seconds, noise_j2_per_s=powers.noise_j2_per_s, delay_s=powers.delay_s)
