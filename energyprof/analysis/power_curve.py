"""Power over time from power readings: what they say, held over the refreshes at which nothing changed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from energyprof.analysis.arrays import Bools, Floats, seconds
from energyprof.record.trace import Channel

__all__ = ["PowerCurve", "power_curve"]

_MOST_HOLDS = 100_000  # refreshes a single held value is unfolded to


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerCurve:
    """Refreshes of a power reading.

    Reading ``k`` was current from some time in ``[since_s[k], until_s[k]]`` and says the mean power over the
    ``window_s`` before it. Values that were seen to stand still are unfolded into one row a refresh.

    Attributes:
        since_s: (n,) earliest time of each refresh.
        until_s: (n,) latest time of each.
        power_w: (n,) watts.
        refresh_s: time between refreshes.
        window_s: the time that one reading averages; 0 where it is not known.
        delay_s: how long before its refresh the middle of the time that a reading speaks for lies beyond half
            a refresh: 0 for a short window, about half a second for the 1 s average.
    """

    since_s: Floats
    until_s: Floats
    power_w: Floats
    refresh_s: float
    window_s: float
    delay_s: float = 0.0

    def __len__(self) -> int:
        """Return the number of refreshes."""
        return len(self.power_w)

    @property
    def at_s(self) -> Floats:
        """Return (n,) the likeliest time of each refresh."""
        return 0.5 * (self.since_s + self.until_s)

    def cumulative_j(self, time_s: Floats) -> Floats:
        """Return the integrated power up to each time, from an arbitrary origin.

        Reading ``k`` stands for the time since the reading before it (at most 1.5 refreshes; over a longer
        silence power goes over linearly), the first and the last for all time before and after.
        """
        knots_s, energy_j = self._integral()
        total: Floats = np.interp(time_s, knots_s, energy_j)
        total += np.minimum(time_s - knots_s[0], 0.0) * self.power_w[0]
        total += np.maximum(time_s - knots_s[-1], 0.0) * self.power_w[-1]
        return total

    def _integral(self) -> tuple[Floats, Floats]:
        at_s, power_w = self.at_s - self.delay_s, self.power_w
        step_s = np.maximum(np.diff(at_s), 0.0)
        own = np.minimum(step_s, 1.5 * self.refresh_s)
        silent = step_s - own
        energy = own * power_w[1:] + silent * 0.5 * (power_w[1:] + power_w[:-1])
        return at_s, np.concatenate([[0.0], np.cumsum(energy)])


def power_curve(
    channel: Channel, refresh_s: float | None, window_s: float | None, lag_s: float
) -> PowerCurve:
    """Build the power curve of a channel of power readings; holds are unfolded, gaps not bridged by them.

    Args:
        channel: instant or average power.
        refresh_s: the sensor's refresh period; the median time between changes where it is None.
        window_s: the time one reading averages, or None where it is not known.
        lag_s: how much later than its energy a reading shows.
    """
    moved = np.concatenate([[True], channel.value[1:] != channel.value[:-1]])
    since, until = seconds(channel.since_ns) - lag_s, seconds(channel.t_ns) - lag_s
    shown_until = _shown_until(channel, moved, since, until, lag_s)
    since, until, power = since[moved], until[moved], channel.value[moved]
    if refresh_s is None or refresh_s <= 0:
        refresh_s = float(np.median(np.diff(until))) if len(until) > 1 else 0.1
    at = 0.5 * (since + until)
    holds = np.floor((shown_until - at) / refresh_s - 0.25)
    repeat = 1 + np.clip(holds, 0, _MOST_HOLDS).astype(np.int64)
    order = np.arange(int(repeat.sum())) - np.repeat(np.cumsum(repeat) - repeat, repeat)
    shift = order * refresh_s
    window = window_s if window_s is not None else 0.0
    return PowerCurve(
        since_s=np.repeat(since, repeat) + shift,
        until_s=np.repeat(until, repeat) + shift,
        power_w=np.repeat(power, repeat),
        refresh_s=refresh_s,
        window_s=window,
        delay_s=max(0.5 * (window - refresh_s), 0.0) if window > 1.5 * refresh_s else 0.0,
    )


def _shown_until(channel: Channel, moved: Bools, since: Floats, until: Floats, lag_s: float) -> Floats:
    """Return until when each value that moved was seen to stand: up to the next change, gap or last poll."""
    first = np.flatnonzero(moved)
    shown = np.empty(len(first))
    shown[:-1] = since[first[1:]]
    shown[-1] = until[-1]
    if len(channel.gap_ns):
        starts = np.sort(seconds(channel.gap_ns[:, 0]) - lag_s)
        after = np.searchsorted(starts, until[first], side="left")
        next_gap = np.append(starts, np.inf)[after]
        shown = np.minimum(shown, next_gap)
    return shown
