"""Modelled energy: the regression's power of each phase, kept to what the sensor counted.

Within a refresh interval energy follows the phases' watts instead of a straight line; over each interval it
adds up to the counter's increment. So steps far shorter than the refresh get their own energy, and all of
them together the run's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from energyprof.analysis.arrays import NS, Floats, Ints, nanoseconds, seconds, seconds_between, sum_by
from energyprof.analysis.energy_curve import Figures, SensorCurve
from energyprof.analysis.regression import PhasePowers
from energyprof.analysis.windows import SEGMENTS_AT_A_TIME, Windows, boundaries
from energyprof.record.trace import Segments

__all__ = ["ModelledEnergy", "RawEnergy", "modelled_energy", "modelled_windows", "raw_energy"]

LEAST_SHARE: Final = 1e-3  # of the mean power: a phase that seems to draw nothing still gets its time's share
STEADY_S: Final = 0.01  # intervals are joined until the error of their ends is at most this share of them
CONFIDENCE: Final = 1.96  # of a normal distribution, two-sided 95 %


@dataclass(frozen=True, slots=True, kw_only=True)
class RawEnergy:
    """Energy along the segments by the phases' watts alone.

    Attributes:
        segments: where.
        watts: (p,) of each phase, above zero.
        up_to_j: (n + 1,) energy up to each boundary of the segments.
    """

    segments: Segments
    watts: Floats
    up_to_j: Floats

    def at(self, time_s: Floats) -> Floats:
        """Return the energy up to times inside the window."""
        starts, last = self.segments.start_ns, len(self.segments.start_ns) - 1
        k = np.clip(np.searchsorted(starts, nanoseconds(time_s), side="right") - 1, 0, last)
        ends = np.minimum(k + 1, last)
        until = np.where(k == last, self.segments.end_ns, starts[ends])
        within = np.clip(time_s - seconds(starts[k]), 0.0, seconds(until - starts[k]))
        energy: Floats = self.up_to_j[k] + within * self.watts[self.segments.phase[k]]
        return energy


def raw_energy(powers: PhasePowers, segments: Segments) -> RawEnergy:
    """Add up the phases' watts along the segments."""
    mean_w = float((powers.power_w * powers.seconds).sum() / powers.seconds.sum())
    watts = np.clip(powers.power_w, LEAST_SHARE * max(mean_w, 1e-9), powers.most_w)
    up_to = np.empty(len(segments.start_ns) + 1)
    up_to[0] = 0.0
    for start in range(0, len(segments.phase), SEGMENTS_AT_A_TIME):
        phase = segments.phase[start : start + SEGMENTS_AT_A_TIME]
        ends = boundaries(segments, start, start + len(phase))
        energy = up_to[start + 1 : start + 1 + len(phase)]
        np.multiply(seconds_between(ends[:-1], ends[1:]), watts[phase], out=energy)
    np.cumsum(up_to, out=up_to)
    return RawEnergy(segments=segments, watts=watts, up_to_j=up_to)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelledEnergy:
    """The modelled energy of one sensor along the segments.

    Attributes:
        raw: by the phases' watts alone.
        knots_raw_j: (m,) the same at the refreshes kept to.
        knots_j: (m,) the energy counted up to these.
        powers: the regression behind it.
        end_variance_s2: variance of the time of a refresh.
        block_s: the time between refreshes kept to; infinite where these do not tell the energy in between.
    """

    raw: RawEnergy
    knots_raw_j: Floats
    knots_j: Floats
    powers: PhasePowers
    end_variance_s2: float
    block_s: float

    def between(self, windows: Windows) -> Floats:
        """Return the energy of windows made of whole segments."""
        first, stop = windows.first, windows.stop
        if len(first) and np.array_equal(first[1:], stop[:-1]):
            return np.diff(self._at(np.append(first, stop[-1])))
        return self._at(stop) - self._at(first)

    def _at(self, boundary: Ints) -> Floats:
        return np.interp(self.raw.up_to_j[boundary], self.knots_raw_j, self.knots_j)


def modelled_energy(part: SensorCurve, powers: PhasePowers, raw: RawEnergy) -> ModelledEnergy:
    """Join the regression with what the sensor counted.

    Args:
        part: the sensor's curve.
        powers: the power of each phase.
        raw: the energy along the segments by it.
    """
    knots_s = _knots(part, raw.segments, powers.time_variance_s2)
    late_s = knots_s + powers.delay_s
    late_s[[0, -1]] = knots_s[[0, -1]]
    return ModelledEnergy(
        raw=raw,
        knots_raw_j=np.maximum.accumulate(raw.at(late_s)),
        knots_j=part.estimate.at(knots_s),
        powers=powers,
        end_variance_s2=powers.time_variance_s2 / 2,
        block_s=float(np.diff(knots_s).mean()) if part.tells_all else np.inf,
    )


def _knots(part: SensorCurve, segments: Segments, time_variance_s2: float) -> Floats:
    """Return the ends of the window and the refreshes in between, thinned out where their times are vague."""
    open_s, close_s = float(segments.start_ns[0]) * NS, segments.end_ns * NS
    at = part.refreshes.at_s
    at = at[(at > open_s) & (at < close_s)]
    apart = np.sqrt(time_variance_s2) / STEADY_S / max(part.refresh_s, 1e-9)
    every = max(1, int(np.ceil(apart)))
    return np.concatenate([[open_s], at[::every], [close_s]])


def modelled_windows(models: Sequence[ModelledEnergy], windows: Windows) -> Figures:
    """Return the modelled energy of windows with its 95 % interval, summed over a domain's sensors.

    What makes the interval: how well the phases' watts are known, as far as the window's mix of phases
    differs from the run's; power that the phases do not explain; the error of the refreshes kept to.

    Args:
        models: at least one, of the same segments.
        windows: made of whole segments, in order; some at a time, each costs 8 bytes a phase.
    """
    spent = _seconds_by_phase(models[0].raw.segments, windows.first, windows.stop)
    value, variance = np.zeros(len(windows)), np.zeros(len(windows))
    for model in models:
        energy = model.between(windows)
        value += energy
        variance += _variance(model, energy, spent)
    half = CONFIDENCE * np.sqrt(variance)
    return Figures(value=value, low=np.maximum(value - half, 0.0), high=value + half)


def _seconds_by_phase(segments: Segments, first: Ints, stop: Ints) -> Floats:
    """Return (p, n) seconds in each phase of windows, in order, made of whole segments."""
    phases = len(segments.phases)
    if not len(first):
        return np.zeros((phases, 0))
    low, high = int(first[0]), int(stop[-1])
    ends = boundaries(segments, low, high)
    length = seconds_between(ends[:-1], ends[1:])
    row = np.repeat(np.arange(len(first)), np.diff(np.append(first, high)))
    if (first[1:] > stop[:-1]).any():
        length[np.arange(low, high) >= stop[row]] = 0.0  # between windows
    cell = segments.phase[low:high] * np.int64(len(first)) + row
    return sum_by(cell, length, len(first) * phases).reshape(phases, -1)


def _variance(model: ModelledEnergy, energy: Floats, spent: Floats) -> Floats:
    powers = model.powers
    length, watts = spent.sum(axis=0), powers.power_w
    mix = spent / np.maximum(watts @ spent, 1e-12)
    mix -= (powers.seconds / max(float(powers.seconds @ watts), 1e-12))[:, None]
    of_model = energy**2 * ((powers.covariance_w2 @ mix) * mix).sum(axis=0)
    share = np.minimum(length / max(model.block_s, 1e-12), 1.0)
    unexplained = powers.noise_j2_per_s * length * (1 - share)
    ends = 2 * model.end_variance_s2 * (energy / np.maximum(length, 1e-12) * share) ** 2
    total: Floats = np.maximum(of_model, 0.0) + unexplained + ends
    return total
