"""Where a channel was silent: stretches without a reading, in which a line of its readings must break."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from energyprof.record.trace import Channel

__all__ = ["Silences", "breaks", "broken", "silences"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LONGEST_WAIT_NS: Final = 1_500_000_000  # a channel that is read says so about once a second
_LATE_ROW_NS: Final = 200_000_000  # a changed value is a row at once, within what a call may take
_WAITS: Final = 5  # a channel that is polled slowly: so many of its own short waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Silences:
    """Silences between rows of a channel, in order.

    Attributes:
        after: (s,) index of the last row before each.
        begin_ns: (s,) when the channel was last known to be read; the row before it still stood then.
        middle_ns: (s,) a time inside, or the end of one that nothing follows.
        resume_ns: (s,) when it was read again: a value that had not changed meanwhile is a row only later.
    """

    after: Ints
    begin_ns: Ints
    middle_ns: Ints
    resume_ns: Ints


def silences(channel: Channel, rows: NDArray[Any] | None = None) -> Silences:
    """Find where a channel was silent: its recorded gaps, and waits longer than any poll.

    Args:
        channel: it has at least one row.
        rows: (n,) indices of the rows that are drawn; None for all.
    """
    t = channel.t_ns if rows is None else channel.t_ns[rows]
    begin = np.full(len(t), np.iinfo(np.int64).max)
    end = np.append(t[1:], t[-1])
    start, stop = channel.gap_ns[:, 0], channel.gap_ns[:, 1]
    at = np.searchsorted(t, (start + stop) // 2, side="right") - 1
    told = (at >= 0) & (stop > start)
    np.minimum.at(begin, at[told], start[told])
    np.maximum.at(end, at[told], stop[told])
    stops = np.zeros(len(t), np.int64)
    np.maximum.at(stops, at[told], stop[told])
    last_poll = _long_waits(channel)
    last_poll = last_poll[last_poll >= t[0]]
    np.minimum.at(begin, np.searchsorted(t, last_poll, side="right") - 1, last_poll)
    after = np.flatnonzero(begin < end)
    began = np.maximum(begin[after], t[after])
    over = np.append(t[1:], end[-1])[after]
    ended = np.where(stops[after] > began, np.minimum(stops[after], over), over)
    resume = np.where(over - ended > _LATE_ROW_NS, ended, over) if rows is None else over
    middle = np.where(after == len(t) - 1, over, (began + resume) // 2)
    return Silences(after=after, begin_ns=began, middle_ns=middle, resume_ns=resume)


def broken(t: Floats, value: Floats, at: Silences, opened_ns: int) -> tuple[Floats, Floats]:
    """Break a line in every silence: its last value up to where that begins, then NaN inside.

    Args:
        t: (n,) seconds since the window opened.
        value: (n,) readings.
        at: the silences between them.
        opened_ns: when the window opened.
    """
    begin, middle = (at.begin_ns - opened_ns) / 1e9, (at.middle_ns - opened_ns) / 1e9
    resume = (at.resume_ns - opened_ns) / 1e9
    held = begin > t[at.after]
    again = (at.after < len(t) - 1) & (resume < t[np.minimum(at.after + 1, len(t) - 1)])
    where = np.concatenate([at.after[held], at.after, at.after[again]]) + 1
    times = np.concatenate([begin[held], middle, resume[again]])
    values = np.concatenate([value[at.after[held]], np.full(len(middle), np.nan), value[at.after[again]]])
    return np.insert(t, where, times), np.insert(value, where, values)


def breaks(t: Floats, value: Floats) -> list[tuple[float, float]]:
    """Return where a line of points is broken: from the last point before to the first after, seconds.

    The last break reaches to its own point where none comes after it.
    """
    missing = np.concatenate([[False], np.isnan(value), [False]])
    first, after = np.flatnonzero(np.diff(missing)).reshape(-1, 2).T
    before, after = np.maximum(first - 1, 0), np.minimum(after, len(t) - 1)
    return [(float(t[a]), float(t[b])) for a, b in zip(before, after, strict=True)]


def _long_waits(channel: Channel) -> Ints:
    """Return the rows' times after which nothing was heard for longer than any poll takes."""
    wait = np.diff(channel.t_ns)
    if not len(wait):
        return np.empty(0, np.int64)
    usual = float(np.quantile(wait, 0.1))  # holds are told less often than changes
    return channel.t_ns[:-1][wait > max(_LONGEST_WAIT_NS, _WAITS * usual)]
