"""When an energy sensor told nothing: what went on all the same, and what is filled in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from energyprof.analysis.arrays import Bools, Floats
from energyprof.analysis.energy_curve import EnergyCurve, SensorCurve
from energyprof.analysis.power_refreshes import SILENT_MODEL_S
from energyprof.record.model import Provenance

__all__ = ["Silence", "filled_energy_j", "silence_of"]

_SHORTEST_SILENCE_S: Final = 0.25  # the fastest sensors are read ten times a second, not at each refresh
_LONG_REFRESHES: Final = 5  # a longer wait between two refreshes is a gap in the sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """For how long one sensor told nothing.

    Attributes:
        lost_s: whose energy is not known from it.
        powered_s: of these, in which a counter's power readings went on.
        late_s: whose energy a counter told afterwards.
        filled_j: the energy that is in the estimate for what was lost and not powered.
    """

    lost_s: float
    powered_s: float
    late_s: float
    filled_j: float

    @property
    def total_s(self) -> float:
        """Return how long it told nothing at all."""
        return self.lost_s + self.late_s


def silence_of(part: SensorCurve, window_s: tuple[float, float], *, modelled: bool = False) -> Silence:
    """Return the silences of a sensor in a window.

    Not known are gaps, and what lies before or after all readings by more than a few refreshes.

    Args:
        part: what the sensor told.
        window_s: where it begins and ends.
        modelled: whether it is a model, which is read less often than what measures.
    """
    inside = np.clip(np.concatenate([[-np.inf], part.refreshes.at_s, [np.inf]]), *window_s)
    length = np.diff(inside)
    long = length > _patience_s(part, modelled)
    beyond = np.zeros(len(length), bool)
    beyond[[0, -1]] = True
    gap = np.concatenate([[False], part.refreshes.gap, [False]])
    lost = gap | (beyond & long)
    powered_s = powered_j = 0.0
    for k in np.flatnonzero(lost):
        starts, ends = _powered(part, inside[k], inside[k + 1])
        powered_s += float((ends - starts).sum())
        powered_j += float(part.between(starts, ends).value.sum())
    lost_j = float(part.between(inside[:-1][lost], inside[1:][lost]).value.sum())
    return Silence(
        lost_s=float(length[lost].sum()),
        powered_s=powered_s,
        late_s=float(length[long & ~lost].sum()),
        filled_j=max(0.0, lost_j - powered_j),
    )


def filled_energy_j(curves: Iterable[EnergyCurve | None], window_s: tuple[float, float]) -> float:
    """Return the joules of a window that were filled in where a sensor that measures told nothing.

    Those of a model are never measured, and not among these.
    """
    return sum(
        silence_of(part, window_s).filled_j
        for curve in curves
        if curve is not None and curve.source is not Provenance.ESTIMATED
        for part in curve.parts
    )


def _patience_s(part: SensorCurve, modelled: bool) -> float:
    """Return how long a sensor may take from one refresh to the next; means over longer overlap.

    In a short window a model has few readings, those at both ends lie close to others, and what is observed
    of its refresh is far too short.
    """
    if modelled:
        return max(_LONG_REFRESHES * part.refresh_s, SILENT_MODEL_S)
    moving = not part.counted and part.power is not None and part.power.moving_mean
    longest_s = max(_LONG_REFRESHES * part.refresh_s, _SHORTEST_SILENCE_S)
    return longest_s + (part.power.window_s if moving and part.power else 0.0)


def _powered(part: SensorCurve, start_s: float, end_s: float) -> tuple[Floats, Floats]:
    """Return the stretches of a time in which a counter's power readings went on."""
    if not part.counted or part.power is None or len(part.power) < 2:
        return np.empty(0), np.empty(0)
    at = np.clip(part.power.at_s, start_s, end_s)
    seen: Bools = ~part.power.silent
    return at[:-1][seen], at[1:][seen]
