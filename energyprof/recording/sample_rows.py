"""Rows of readings: appended one by one by the sampler, taken out as column arrays."""

from __future__ import annotations

import threading
from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["RowBuffer", "SampleRows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRows:
    """Readings as columns, in the order in which they were taken.

    A row says: at some time in ``[since_ns, t_ns]`` the channel took ``value``, as in
    :class:`energyprof.record.trace.Channel`. On a row with ``gap`` continuity was lost between the two times;
    its value is NaN where there is no reading to go on from.

    Attributes:
        channels: the names that ``channel`` indexes; the same tuple over the life of a sampler.
        channel: (n,) int32.
        since_ns: (n,) int64, relative to the sampler's origin. Negative where a value that was already there
            at the first reading may be older than the recording.
        t_ns: (n,) int64, relative to the sampler's origin; non-decreasing within a channel.
        value: (n,) float64, in the channel's unit.
        gap: (n,) bool.
    """

    channels: tuple[str, ...]
    channel: NDArray[np.int32]
    since_ns: NDArray[np.int64]
    t_ns: NDArray[np.int64]
    value: NDArray[np.float64]
    gap: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.t_ns)


class RowBuffer:
    """Collects rows at 33 bytes each; :meth:`drain` may be called from another thread."""

    __slots__ = ("_channel", "_channels", "_gap", "_lock", "_origin_ns", "_since", "_t", "_value")

    def __init__(self, channels: tuple[str, ...], origin_ns: int) -> None:
        """Collect rows of ``channels``; the times given to :meth:`append` have ``origin_ns`` taken off."""
        self._channels = channels
        self._origin_ns = origin_ns
        self._lock = threading.Lock()
        self._clear()

    def append(self, channel: int, since_ns: int, t_ns: int, value: float, gap: bool = False) -> None:
        """Add a row; times on the monotonic clock."""
        with self._lock:
            self._channel.append(channel)
            self._since.append(since_ns - self._origin_ns)
            self._t.append(t_ns - self._origin_ns)
            self._value.append(value)
            self._gap.append(gap)

    def drain(self) -> SampleRows:
        """Take out all rows."""
        with self._lock:
            channel, since, t, value, gap = self._channel, self._since, self._t, self._value, self._gap
            self._clear()
        return SampleRows(
            channels=self._channels,
            channel=np.frombuffer(channel, np.int32) if channel else np.empty(0, np.int32),
            since_ns=np.frombuffer(since, np.int64) if since else np.empty(0, np.int64),
            t_ns=np.frombuffer(t, np.int64) if t else np.empty(0, np.int64),
            value=np.frombuffer(value, np.float64) if value else np.empty(0, np.float64),
            gap=np.frombuffer(gap, np.bool_) if gap else np.empty(0, np.bool_),
        )

    def _clear(self) -> None:
        self._channel, self._gap = array("i"), array("b")
        self._since, self._t, self._value = array("q"), array("q"), array("d")
