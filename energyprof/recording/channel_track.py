"""What is known of one channel between two polls, and the rows that follow from a reading."""

from __future__ import annotations

import math
from typing import Final

from energyprof.record.channel_kind import ChannelKind
from energyprof.recording.refresh_stamps import RefreshStamps, StampTrust, narrow
from energyprof.recording.sample_rows import RowBuffer
from energyprof.sensors.base import ChannelSpec, Reading

__all__ = ["ChannelTrack"]

_HEARTBEAT_NS: Final = 800_000_000  # with the polls' spacing added: a row at least once a second
_STALE: Final = (
    1.25  # a value is never older than this many refreshes (cards differ from nominal by up to 20 %)
)


class ChannelTrack:
    """Turns the readings of one channel into rows: edges, holds and gaps."""

    __slots__ = (
        "_failing_since_ns",
        "_held_ns",
        "_index",
        "_known_ns",
        "_logged",
        "_refresh_ns",
        "_row_ns",
        "_stale_ns",
        "_stamps",
        "_value",
        "edge_ns",
        "kind",
        "name",
    )

    def __init__(
        self, spec: ChannelSpec, index: int, refresh_ns: int, trust: StampTrust, *, edges: bool
    ) -> None:
        """Start with nothing known.

        Args:
            spec: the channel.
            index: its number in the rows.
            refresh_ns: nominal time between changes of its value.
            trust: what the stamps of its sensor are worth.
            edges: whether its refresh edges are followed.
        """
        self.name, self.kind, self._index = spec.name, spec.kind, index
        self._refresh_ns = refresh_ns
        self._stale_ns = int(_STALE * refresh_ns) if edges else refresh_ns
        self._stamps = RefreshStamps(refresh_ns, trust)
        self._value = math.nan
        self._held_ns = 0  # just before the last good poll
        self._row_ns = 0  # when the last row was written
        self._known_ns = 0  # when the present value was first seen, or the last gap told
        self._logged = False  # whether its values come from the sensor's own log
        self._failing_since_ns: int | None = None
        self.edge_ns: float | None = None  # when the present value was taken, by the sensor's own stamp

    @property
    def failing(self) -> bool:
        """Tell whether the last reading failed."""
        return self._failing_since_ns is not None

    def take(
        self, rows: RowBuffer, reading: Reading, before_ns: int, after_ns: int, wall_offset_ns: int
    ) -> bool:
        """Take in a good reading.

        Args:
            rows: where rows go.
            reading: its value is not NaN.
            before_ns: when the call began.
            after_ns: when it returned.
            wall_offset_ns: wall clock minus monotonic clock.

        Returns:
            Whether the value was refreshed since the reading before.
        """
        if reading.logged:
            return self._take_logged(rows, reading, before_ns, after_ns, wall_offset_ns)
        first = self._held_ns == 0
        stamped = self._stamps.tells(reading.sensor_time_ns, before_ns, after_ns, wall_offset_ns)
        refreshed = first or stamped or reading.value != self._value
        self._close_hole(rows, before_ns)
        if refreshed or reading.gap:
            self._write_edge(rows, reading, before_ns, after_ns, wall_offset_ns)
        elif after_ns - self._row_ns >= _HEARTBEAT_NS:
            rows.append(self._index, self._held_ns, after_ns, reading.value)
            self._row_ns = after_ns
        self._value, self._held_ns = reading.value, before_ns
        return refreshed and not first and not reading.gap

    def fail(self, rows: RowBuffer, after_ns: int) -> None:
        """Take in a failed reading: power that is not seen is a gap, said at least once a second.

        A counter goes on counting and a log goes on logging while they cannot be read, so that their gaps are
        told only by :meth:`finish`.
        """
        if self._held_ns == 0:
            return
        if self._failing_since_ns is None:
            self._failing_since_ns = self._held_ns
        remembered = self.kind is ChannelKind.ENERGY or self._logged
        if not remembered and after_ns - self._failing_since_ns >= _HEARTBEAT_NS:
            rows.append(self._index, self._failing_since_ns, after_ns, math.nan, True)
            self._failing_since_ns = after_ns

    def break_off(self, rows: RowBuffer, after_ns: int) -> None:
        """Write a gap since the value last changed: what the sensor showed meanwhile means nothing."""
        rows.append(self._index, self._known_ns or after_ns, after_ns, math.nan, True)
        self._row_ns = self._known_ns = after_ns

    def finish(self, rows: RowBuffer, end_ns: int) -> None:
        """Write the gap of a channel that failed and did not come back."""
        if self._failing_since_ns is None:
            return
        start_ns = self._known_ns if self.kind is ChannelKind.ENERGY else self._failing_since_ns
        rows.append(self._index, start_ns, end_ns, math.nan, True)
        self._failing_since_ns = None

    def _write_edge(
        self, rows: RowBuffer, reading: Reading, before_ns: int, after_ns: int, wall_offset_ns: int
    ) -> None:
        since_ns = (
            max(self._held_ns, before_ns - self._stale_ns) if self._held_ns else before_ns - self._stale_ns
        )
        self.edge_ns = self._stamps.edge_ns(since_ns, after_ns, wall_offset_ns)
        if reading.gap:
            since_ns, t_ns = self._write_break(rows, since_ns), after_ns
        else:
            since_ns, t_ns = narrow(since_ns, after_ns, self.edge_ns)
        t_ns = max(t_ns, self._row_ns)
        rows.append(self._index, min(since_ns, t_ns), t_ns, reading.value)
        self._row_ns = t_ns
        if reading.gap or reading.value != self._value:
            self._known_ns = t_ns

    def _write_break(self, rows: RowBuffer, since_ns: int) -> int:
        """Write the gap before a value that does not continue the older one; return since when it may stand.

        What a counter had not shown yet is lost with it, so that the gap begins where it last moved. A stamp
        before the last poll is of the time before the break.
        """
        if self.edge_ns is not None and self.edge_ns > self._held_ns:
            since_ns = max(since_ns, narrow(since_ns, int(self.edge_ns), self.edge_ns)[0])
        start_ns = self._known_ns if self.kind is ChannelKind.ENERGY else self._held_ns
        if start_ns:
            since_ns = max(since_ns, start_ns)
            rows.append(self._index, start_ns, since_ns, math.nan, True)
            self._row_ns = max(self._row_ns, since_ns)
        return since_ns

    def _take_logged(
        self, rows: RowBuffer, reading: Reading, before_ns: int, after_ns: int, wall_offset_ns: int
    ) -> bool:
        """Write an entry of the sensor's own log at its own time."""
        edge_ns = (reading.sensor_time_ns or before_ns + wall_offset_ns) - wall_offset_ns
        since_ns, t_ns = narrow(edge_ns - self._stale_ns, after_ns, edge_ns)
        t_ns = max(t_ns, self._row_ns)
        if self._held_ns and edge_ns - self._held_ns > 3 * self._refresh_ns:  # the log left something out
            rows.append(self._index, self._held_ns, min(edge_ns, t_ns), math.nan, True)
        rows.append(self._index, min(since_ns, t_ns), t_ns, reading.value)
        self._row_ns = self._known_ns = t_ns
        self._value, self._held_ns = reading.value, edge_ns
        self._logged, self._failing_since_ns = True, None
        return True

    def _close_hole(self, rows: RowBuffer, before_ns: int) -> None:
        """End a run of failed readings; one that spans no whole refresh has hidden nothing."""
        start_ns, self._failing_since_ns = self._failing_since_ns, None
        if start_ns is None or self.kind is ChannelKind.ENERGY:
            return
        if before_ns - start_ns > 2 * self._refresh_ns:
            rows.append(self._index, start_ns, before_ns, math.nan, True)
            self._row_ns = before_ns
