"""One sensor while it is sampled: its channels, its schedule and its counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from energyprof.record.model import SensorInfo
from energyprof.record.trace import ChannelKind
from energyprof.recording.channel_track import ChannelTrack
from energyprof.recording.edge_tracking import EdgeSchedule
from energyprof.recording.refresh_stamps import StampTrust
from energyprof.sensors.base import Sensor

__all__ = ["EVEN_PERIOD_NS", "SensorStatistics", "SensorTrack"]

#: What sensors without edges are read at, unless they move more slowly.
EVEN_PERIOD_NS: Final = 100_000_000
_LONGEST_WAIT_NS: Final = 1_000_000_000  # until a sensor that failed is tried again
#: Whose edges are followed, where a sensor has several channels: the first that can be read.
_RANK: Final = {ChannelKind.ENERGY: 0, ChannelKind.POWER_INSTANT: 1, ChannelKind.POWER_AVERAGE: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorStatistics:
    """What reading one sensor took.

    Attributes:
        readings: calls, failed ones included.
        failures: calls that failed.
        cpu_s: CPU time of the thread spent in them, extrapolated from every 16th.
        refresh_s: observed time between refresh edges, or None where none was learned.
        lost: whether it went away for good.
    """

    readings: int
    failures: int
    cpu_s: float
    refresh_s: float | None
    lost: bool


class SensorTrack:
    """One sensor, when it is due, and how often it was read.

    Attributes:
        sensor: the sensor.
        name: its name.
        channels: its channels, in order; ``by_name`` finds them.
        ranks: of the channels whose edges may be followed, the best first.
        due_ns: when to read it next.
        lost: whether it went away for good.
        readings: how often it was read; ``failures`` of these failed.
        cpu_ns: CPU time of the ``cpu_readings`` that were timed.
    """

    def __init__(self, sensor: Sensor, first_channel: int, now_ns: int) -> None:
        """Begin at ``now_ns``; the channels are numbered from ``first_channel``."""
        self.sensor = sensor
        self.name = sensor.info.name
        trust = StampTrust()
        self.channels = [
            ChannelTrack(spec, first_channel + k, sensor.refresh_ns, trust, edges=sensor.edges)
            for k, spec in enumerate(sensor.channels)
        ]
        self.by_name = {channel.name: channel for channel in self.channels}
        self.ranks = {c.name: _RANK[c.kind] for c in self.channels if c.kind in _RANK}
        self._edges = EdgeSchedule(sensor.refresh_ns, now_ns) if sensor.edges else None
        self._period_ns = max(sensor.refresh_ns, EVEN_PERIOD_NS)
        self.due_ns = now_ns
        self.lost = False
        self.readings = self.failures = self._failures_in_a_row = 0
        self.cpu_ns = self.cpu_readings = 0

    def reschedule(
        self, before_ns: int, after_ns: int, *, moved: bool, edge_ns: float | None, good: bool
    ) -> None:
        """Set when to read next after a call that returned."""
        if not good:
            self.failures += 1
            self.reschedule_after_failure(after_ns)
            return
        self._failures_in_a_row = 0
        if self._edges is not None:
            self._edges.polled(before_ns, after_ns, moved=moved, edge_ns=edge_ns)
            self.due_ns = self._edges.due_ns
            return
        self.due_ns += self._period_ns
        if self.due_ns <= after_ns:  # late: skip what was missed, in place of a burst
            self.due_ns = after_ns + self._period_ns
        self.due_ns = max(self.due_ns, before_ns + self._period_ns // 2)

    def reschedule_after_failure(self, after_ns: int) -> None:
        """Set when to try again after a call that failed."""
        self._failures_in_a_row += 1
        if self._edges is not None:
            self._edges.failed(after_ns, self._failures_in_a_row)
            self.due_ns = self._edges.due_ns
        else:
            wait_ns = self._period_ns * 2 ** min(self._failures_in_a_row - 1, 10)
            self.due_ns = after_ns + min(wait_ns, max(self._period_ns, _LONGEST_WAIT_NS))

    def statistics(self) -> SensorStatistics:
        """Return what reading took so far."""
        period_ns = self._edges.period_ns if self._edges is not None else None
        return SensorStatistics(
            readings=self.readings,
            failures=self.failures,
            cpu_s=self.cpu_ns / 1e9 * self.readings / max(1, self.cpu_readings),
            refresh_s=None if period_ns is None else period_ns / 1e9,
            lost=self.lost,
        )

    def describe(self) -> SensorInfo:
        """Return the sensor's description with what was observed filled in."""
        info, seen = self.sensor.info, self.statistics()
        refresh_s = info.refresh_s if seen.refresh_s is None else seen.refresh_s
        return replace(info, refresh_s=refresh_s, readings=seen.readings, failures=seen.failures)
