"""Power over time from power readings: what they say, held over the refreshes at which nothing changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from energyprof.analysis.arrays import Bools, Floats, Ints, seconds
from energyprof.analysis.edge_times import EdgeTimes, edge_times
from energyprof.record.trace import Channel

__all__ = ["SILENT_REFRESHES", "STALE_REFRESHES", "PowerCurve", "power_curve"]

RECENT_REFRESHES: Final = (
    1.2  # an older value seen this shortly before its change had been standing until then
)
SILENT_REFRESHES: Final = 1.5  # after this long without a reading nothing is known of the power
STALE_REFRESHES: Final = 1.25  # a value is never older; single cards differ from nominal by up to 20 %
SILENT_S: Final = 0.12  # fast sensors are not read at every refresh: that is no silence
MOST_HOLDS: Final = 100_000  # refreshes that one held value is unfolded to


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerCurve:
    """Refreshes of a power reading, at least one.

    Reading ``k`` was current from some time in ``[since_s[k], until_s[k]]`` and says the mean power over the
    ``window_s`` before it. Values that were seen to stand still are unfolded into one row a refresh.

    Attributes:
        since_s: (n,) earliest time of each refresh.
        until_s: (n,) latest time of each.
        at: (n,) likeliest time of each.
        power_w: (n,) watts.
        refresh_s: time between refreshes.
        window_s: the time that one reading averages; 0 where it is not known.
    """

    since_s: Floats
    until_s: Floats
    at: EdgeTimes
    power_w: Floats
    refresh_s: float
    window_s: float

    def __len__(self) -> int:
        """Return the number of refreshes."""
        return len(self.power_w)

    @property
    def at_s(self) -> Floats:
        """Return (n,) the likeliest time of each refresh."""
        return self.at.at_s

    @property
    def moving_mean(self) -> bool:
        """Tell whether readings overlap: each averages more than the time since the one before."""
        return self.window_s > SILENT_REFRESHES * self.refresh_s

    @property
    def silent(self) -> Bools:
        """Tell (n - 1,) between which readings too much time passed for the later one to speak for it."""
        silent: Bools = np.diff(self.at_s) > max(SILENT_REFRESHES * self.refresh_s, SILENT_S)
        return silent

    def cumulative_j(self, time_s: Floats) -> Floats:
        """Return the integrated power up to each time, from an arbitrary origin.

        A reading stands for the time since the reading before it (at most 1.5 refreshes; over a longer
        silence power goes over linearly), the first and the last for all time before and after. A moving mean
        stands for a refresh in the middle of its window.
        """
        at_s, power_w = self.at_s, self.power_w
        if self.moving_mean:
            at_s = at_s - 0.5 * (self.window_s - self.refresh_s)
        step_s = np.maximum(np.diff(at_s), 0.0)
        own_s = np.minimum(step_s, SILENT_REFRESHES * self.refresh_s)
        energy = own_s * power_w[1:] + (step_s - own_s) * 0.5 * (power_w[1:] + power_w[:-1])
        total: Floats = np.interp(time_s, at_s, np.concatenate([[0.0], np.cumsum(energy)]))
        total += np.minimum(time_s - at_s[0], 0.0) * power_w[0]
        total += np.maximum(time_s - at_s[-1], 0.0) * power_w[-1]
        return total


def power_curve(
    channel: Channel, refresh_s: float | None, window_s: float | None, lag_s: float
) -> PowerCurve:
    """Build the power curve of a channel of power readings; holds are unfolded, gaps not bridged by them.

    Args:
        channel: instant or average power, at least one row.
        refresh_s: the sensor's refresh period; the usual time between changes where it is None.
        window_s: the time one reading averages, or None where it is not known.
        lag_s: how much later than its energy a reading shows.
    """
    first = _changes(channel)
    since, until = seconds(channel.since_ns[first]) - lag_s, seconds(channel.t_ns[first]) - lag_s
    if refresh_s is None or refresh_s <= 0:
        refresh_s = float(np.quantile(np.diff(until), 0.1)) if len(until) > 1 else 0.1  # holds are longer
    stood_until = _stood_until(channel, first, since, until, refresh_s, lag_s)
    since = np.maximum(since, until - STALE_REFRESHES * refresh_s)
    holds = np.ceil((stood_until - until) / refresh_s - 0.1) - 1
    repeat = 1 + np.clip(holds, 0, MOST_HOLDS).astype(np.int64)
    order = np.arange(int(repeat.sum())) - np.repeat(np.cumsum(repeat) - repeat, repeat)
    since = np.repeat(since, repeat) + order * np.repeat(_spacing(since, repeat, refresh_s), repeat)
    until = np.repeat(until, repeat) + order * np.repeat(_spacing(until, repeat, refresh_s), repeat)
    return PowerCurve(
        since_s=since,
        until_s=until,
        at=edge_times(since, until, refresh_s),
        power_w=np.repeat(channel.value[first], repeat),
        refresh_s=refresh_s,
        window_s=window_s or 0.0,
    )


def _changes(channel: Channel) -> Ints:
    """Return which rows are changes of the value, or the first reading after a gap."""
    moved = np.concatenate([[True], channel.value[1:] != channel.value[:-1]])
    after = np.searchsorted(channel.t_ns, channel.gap_ns[:, 1], side="right")
    moved[after[after < len(moved)]] = True
    return np.flatnonzero(moved)


def _spacing(at: Floats, repeat: Ints, refresh_s: float) -> Floats:
    """Return how far apart held refreshes lie: evenly up to the next change where they reach it."""
    even = np.append(np.diff(at) / repeat[:-1], refresh_s)
    spacing: Floats = np.where(np.abs(even - refresh_s) < 0.2 * refresh_s, even, refresh_s)
    return spacing


def _stood_until(
    channel: Channel, first: Ints, since: Floats, until: Floats, refresh_s: float, lag_s: float
) -> Floats:
    """Return until when each value was seen to stand.

    That is when it was last polled: its last row, or shortly before the next change where that was polled
    closely. A gap ends it.
    """
    last_row = np.append(first[1:] - 1, len(channel.value) - 1)
    stood = seconds(channel.t_ns[last_row]) - lag_s
    followed = until[1:] - since[1:] < RECENT_REFRESHES * refresh_s
    stood[:-1] = np.where(followed, np.maximum(since[1:], stood[:-1]), stood[:-1])
    if len(channel.gap_ns):
        starts = np.sort(seconds(channel.gap_ns[:, 0]) - lag_s)
        next_gap = np.append(starts, np.inf)[np.searchsorted(starts, until, side="left")]
        stood = np.minimum(stood, next_gap)
    return stood
