"""Cumulative energy of a domain over time: an estimate, and bounds that the truth cannot leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from energyprof.analysis.arrays import Floats, Times, distinct, seconds
from energyprof.analysis.bounds import Envelope, Knots, envelope, observed_range, within_range
from energyprof.analysis.power_curve import PowerCurve
from energyprof.analysis.refreshes import PowerRange, Refreshes
from energyprof.record.model import Provenance

SEES_ALL = 0.95  # of the time: power readings that see less are filled in by model

__all__ = ["EnergyCurve", "Figures", "SensorCurve", "sensor_curve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Energies in joules: ``value``, and guaranteed ``low`` and ``high``; arrays of one shape."""

    value: Floats
    low: Floats
    high: Floats

    def __add__(self, other: Figures) -> Figures:
        """Return the sum, element by element."""
        return Figures(value=self.value + other.value, low=self.low + other.low, high=self.high + other.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorCurve:
    """Cumulative energy by one sensor.

    Attributes:
        estimate: the likeliest energy over time.
        most: the envelope for upper bounds, where gaps held as much as they could.
        least: the envelope for lower bounds; the same object as ``most`` where there are no gaps.
        limits: the power range that its bounds rest on.
        stated: the same as it was stated, before readings proved it too narrow.
        refreshes: the nodes behind it.
        refresh_s: time between refreshes.
        power: its power readings, or None.
        witness: power readings to hold a counter against, or None.
        counted: True where the refreshes are a counter's or a model's, False where they are power readings'.
    """

    estimate: Knots
    most: Envelope
    least: Envelope
    limits: PowerRange
    stated: PowerRange
    refreshes: Refreshes
    refresh_s: float
    power: PowerCurve | None
    witness: PowerCurve | None
    counted: bool

    @property
    def tells_all(self) -> bool:
        """Tell whether its refreshes tell the energy in between: a counter's, or windows that see it all."""
        power = self.power
        return self.counted or power is None or power.window_s >= SEES_ALL * power.refresh_s

    def differences(self, times_s: Floats) -> Figures:
        """Return the energy between each time and the next, for (n,) times in order: n - 1 figures."""
        high, low = self._ends(times_s)
        return self._figures(
            np.diff(self.estimate.at(times_s)),
            np.diff(times_s),
            (high[0][1:], high[1][:-1]),
            (low[0][1:], low[1][:-1]),
        )

    def between(self, start_s: Floats, end_s: Floats) -> Figures:
        """Return the energy between pairs of times, ``end_s >= start_s``."""
        value = self.estimate.at(end_s) - self.estimate.at(start_s)
        high = (self.most.high.at(end_s), self.most.low.at(start_s))
        low = (self.least.low.at(end_s), self.least.high.at(start_s))
        return self._figures(value, end_s - start_s, high, low)

    def _ends(self, times_s: Floats) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
        high = self.most.high.at(times_s), self.most.low.at(times_s)
        if self.least is self.most:
            return high, (high[1], high[0])
        return high, (self.least.low.at(times_s), self.least.high.at(times_s))

    def _figures(
        self, value: Floats, length: Floats, high: tuple[Floats, Floats], low: tuple[Floats, Floats]
    ) -> Figures:
        most = np.minimum(self.limits.ceiling_w * length, high[0] - high[1])
        least = np.maximum(self.limits.floor_w * length, low[0] - low[1])
        return Figures(value=value, low=np.minimum(least, value), high=np.maximum(most, value))


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyCurve:
    """Cumulative energy of one domain: the sum over its sensors (the packages of a host, say).

    Attributes:
        domain: ``gpu:0``, ``cpu``, ``dram``.
        source: provenance of its joules.
        parts: one curve a sensor, at least one.
    """

    domain: str
    source: Provenance
    parts: tuple[SensorCurve, ...]

    def energy_between(self, start_ns: Times, end_ns: Times) -> Figures:
        """Return the energy in windows with its guaranteed bounds.

        Args:
            start_ns: (n,) when each window opens.
            end_ns: (n,) when each closes, not before it opens.
        """
        start_s, end_s = seconds(start_ns), seconds(end_ns)
        return _sum([part.between(start_s, end_s) for part in self.parts])

    def energy_of_intervals(self, boundaries_ns: Times) -> Figures:
        """Return the energy between (n,) boundaries in order and the next: n - 1 figures.

        The same figures as :meth:`energy_between`, at half the cost for windows that follow one another.
        """
        times_s = seconds(boundaries_ns)
        return _sum([part.differences(times_s) for part in self.parts])

    def cumulative_j(self, time_ns: Times) -> Floats:
        """Return the estimate of the energy up to each time, from an arbitrary origin."""
        time_s = seconds(time_ns)
        total = self.parts[0].estimate.at(time_s)
        for part in self.parts[1:]:
            total = total + part.estimate.at(time_s)
        return total

    @property
    def refresh_s(self) -> float:
        """Return the longest refresh period of its sensors."""
        return max(part.refresh_s for part in self.parts)


def _sum(figures: Sequence[Figures]) -> Figures:
    total = figures[0]
    for more in figures[1:]:
        total = total + more
    return total


def sensor_curve(
    refreshes: Refreshes,
    limits: PowerRange,
    refresh_s: float,
    power: PowerCurve | None,
    span_s: tuple[float, float],
    *,
    counted: bool,
    witness: PowerCurve | None = None,
) -> SensorCurve:
    """Build the curve of one sensor.

    Args:
        refreshes: what is known, at least two of them.
        limits: the power range.
        refresh_s: time between refreshes.
        power: readings whose shape the estimate follows between refreshes, or None for straight lines.
        span_s: from when to when the curve is wanted.
        witness: power readings to hold a counter against, or None.
        counted: whether the refreshes are those of a counter or model.
    """
    stated, limits = limits, observed_range(refreshes, limits)
    if not refreshes.exact:
        refreshes = within_range(refreshes, limits)
    most = envelope(refreshes, refreshes.high_j, limits, span_s)
    least = most
    if not refreshes.exact:
        # Least increments do not add up to the floor over refreshes whose times are not known exactly: with a
        # floor a path back over them would seem to give energy. Without one it gives none.
        least = envelope(refreshes, refreshes.low_j, replace(limits, floor_w=0.0), span_s)
    return SensorCurve(
        estimate=_estimate(refreshes, power, span_s),
        most=most,
        least=least,
        limits=limits,
        stated=stated,
        refreshes=refreshes,
        refresh_s=refresh_s,
        power=power,
        witness=witness,
        counted=counted,
    )


def _estimate(refreshes: Refreshes, power: PowerCurve | None, span: tuple[float, float]) -> Knots:
    """Join the refreshes by the shape of the power readings, or straight, and extend both ends steadily."""
    at = refreshes.at_s
    value = np.concatenate([[0.0], np.cumsum(refreshes.energy_j)])
    start, end = min(span[0], at[0]), max(span[1], at[-1])
    if power is not None and len(power):
        return _shaped(at, value, power, (start, end))
    first, last = _end_powers(at, refreshes.energy_j)
    return Knots(
        time_s=np.concatenate([[start], at, [end]]),
        value_j=np.concatenate(
            [[value[0] - first * (at[0] - start)], value, [value[-1] + last * (end - at[-1])]]
        ),
    )


def _end_powers(at: Floats, energy: Floats) -> tuple[float, float]:
    length = np.diff(at)
    watts = energy / np.maximum(length, 1e-9)
    return float(watts[0]), float(watts[-1])


def _shaped(at: Floats, value: Floats, power: PowerCurve, span: tuple[float, float]) -> Knots:
    """Rescale the integrated power to the energy of each interval; outside of the refreshes, to the whole."""
    knots = distinct(np.concatenate([[span[0]], at, np.clip(power.at_s, *span), [span[1]]]))
    raw, at_raw = power.cumulative_j(knots), power.cumulative_j(at)
    whole = (value[-1] - value[0]) / (at_raw[-1] - at_raw[0]) if at_raw[-1] > at_raw[0] else 1.0
    # Inside, energy is a piecewise linear function of integrated power. Ties (no power) join straight lines.
    inside = _through(knots, raw, at, at_raw, value)
    before = np.minimum(raw - at_raw[0], 0.0) * whole
    after = np.maximum(raw - at_raw[-1], 0.0) * whole
    return Knots(time_s=knots, value_j=inside + before + after)


def _through(knots: Floats, raw: Floats, at: Floats, at_raw: Floats, value: Floats) -> Floats:
    k = np.clip(np.searchsorted(at, knots, side="right") - 1, 0, len(at) - 2)
    rise = at_raw[k + 1] - at_raw[k]
    length = np.maximum(at[k + 1] - at[k], 1e-12)
    straight = (knots - at[k]) / length
    share = np.where(rise > 1e-12, (raw - at_raw[k]) / np.maximum(rise, 1e-12), straight)
    return value[k] + np.clip(share, 0.0, 1.0) * (value[k + 1] - value[k])
