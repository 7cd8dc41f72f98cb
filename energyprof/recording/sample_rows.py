"""Rows of readings: appended one by one by the sampler, taken out as column arrays."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Columns", "Row", "RowBuffer", "SampleRows", "TimedValue", "as_columns", "joined"]

#: A row: channel, since, t, value, gap.
Row = tuple[int, int, int, float, bool]
#: A value, and when it was read on the monotonic clock in ns.
TimedValue = tuple[float, int]
#: Rows as columns.
Columns = tuple["array[int]", "array[int]", "array[int]", "array[float]", "array[int]"]
_TYPES: Final = ("int32", "int64", "int64", "float64", "bool")


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

    @classmethod
    def joined(cls, channels: tuple[str, ...], chunks: Sequence[Columns]) -> SampleRows:
        """Return chunks of rows as one; there is at least one chunk."""
        import numpy as np  # a process that reads sensors starts sooner without

        channel, since, t, value, gap = (
            np.concatenate([np.array(chunk[k], kind) for chunk in chunks]) for k, kind in enumerate(_TYPES)
        )
        return cls(channels=channels, channel=channel, since_ns=since, t_ns=t, value=value, gap=gap)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.t_ns)


class RowBuffer:
    """Collects rows; :meth:`collect` and :meth:`drain` may be called from another thread."""

    __slots__ = ("_channels", "_collected", "_origin_ns", "_rows")

    def __init__(self, channels: tuple[str, ...], origin_ns: int) -> None:
        """Collect rows of ``channels``; the times given to :meth:`append` have ``origin_ns`` taken off."""
        self._channels = channels
        self._origin_ns = origin_ns
        self._rows: list[Row] = []
        self._collected: list[Columns] = []

    def append(self, channel: int, since_ns: int, t_ns: int, value: float, gap: bool = False) -> None:
        """Add a row; times on the monotonic clock."""
        origin_ns = self._origin_ns
        self._rows.append((channel, since_ns - origin_ns, t_ns - origin_ns, value, gap))

    def take(self) -> Columns:
        """Take out the rows since the last call, 33 bytes each: nothing is kept of them here."""
        count = len(self._rows)
        columns = as_columns(self._rows[:count])
        del self._rows[:count]  # what was appended meanwhile stays
        return columns

    def collect(self) -> Columns:
        """Return the rows since the last call; :meth:`drain` has them too."""
        columns = self.take()
        self._collected.append(columns)
        return columns

    def drain(self) -> SampleRows:
        """Take out all rows since the last drain."""
        self.collect()
        chunks, self._collected = self._collected, []
        return SampleRows.joined(self._channels, chunks)


def as_columns(rows: Sequence[Row]) -> Columns:
    """Return rows as columns."""
    channel, since, t, value, gap = zip(*rows, strict=True) if rows else ((),) * 5
    return array("i", channel), array("q", since), array("q", t), array("d", value), array("b", gap)


def joined(chunks: Iterable[Columns]) -> Columns:
    """Return chunks of rows as one."""
    channel, since, t, value, gap = as_columns(())
    for chunk in chunks:
        channel += chunk[0]
        since += chunk[1]
        t += chunk[2]
        value += chunk[3]
        gap += chunk[4]
    return channel, since, t, value, gap
