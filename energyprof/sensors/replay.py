"""Recorded readings as sensors: what a trace holds is read again, at the same times, on any clock."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from energyprof.clock import Clock
from energyprof.errors import SensorError, SensorLost
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Provenance, SensorInfo
from energyprof.record.trace import Channel, Trace
from energyprof.sensors.base import ChannelSpec, Reading

__all__ = ["ReplaySensor", "replay"]

_DEFAULT_REFRESH_NS: Final = 100_000_000
_FOLLOWED: Final = (ChannelKind.ENERGY, ChannelKind.POWER_INSTANT, ChannelKind.POWER_AVERAGE)
_CONTINUOUS_NS: Final = 10_000_000  # what moves at least this often is read evenly, not in phase


def replay(trace: Trace, sensors: Sequence[SensorInfo], clock: Clock) -> tuple[ReplaySensor, ...]:
    """Return a sensor for each recorded one that has channels; their time 0 is now.

    Args:
        trace: the recording.
        sensors: its report's descriptions of the sensors.
        clock: the clock to replay on.
    """
    start_ns = clock.now_ns()
    return tuple(
        ReplaySensor(info, channels, clock, start_ns=start_ns, end_ns=trace.duration_ns)
        for info in sensors
        if (channels := [channel for channel in trace.channels if channel.sensor == info.name])
    )


class ReplaySensor:
    """Gives at each time what the recorded sensor showed at that time."""

    def __init__(
        self, info: SensorInfo, channels: Sequence[Channel], clock: Clock, *, start_ns: int, end_ns: int
    ) -> None:
        """Prepare to replay.

        Args:
            info: the recorded sensor's description.
            channels: its channels.
            clock: the clock to replay on.
            start_ns: the clock's time that is the recording's time 0.
            end_ns: when the recording ends, on its own time; from there on the sensor is lost.
        """
        self._clock, self._start_ns, self._end_ns = clock, start_ns, end_ns
        self._tracks = [_Track(channel) for channel in channels]
        self.channels = tuple(
            ChannelSpec(name=c.name, domain=c.domain, kind=c.kind, unit=c.unit) for c in channels
        )
        self.refresh_ns = round(info.refresh_s * 1e9) if info.refresh_s else _DEFAULT_REFRESH_NS
        followed = any(channel.kind in _FOLLOWED for channel in channels)
        measured = info.source is not Provenance.ESTIMATED
        self.edges = followed and measured and self.refresh_ns > _CONTINUOUS_NS
        self.info = replace(info, semantics=f"Replayed from a recording. {info.semantics}")

    def read(self) -> Sequence[Reading]:
        """Return what each channel showed.

        Raises:
            SensorError: every channel has a gap here.
            SensorLost: the recording is over.
        """
        now_ns = self._clock.now_ns() - self._start_ns
        if now_ns > self._end_ns:
            raise SensorLost("the recording is over")
        readings = [reading for track in self._tracks if (reading := track.at(now_ns)) is not None]
        if readings and all(math.isnan(reading.value) for reading in readings):
            raise SensorError(readings[0].reason or "a gap in the recording")
        return readings

    def close(self) -> None:
        """Do nothing: nothing is held."""


class _Track:
    """One channel; a value is taken to have changed in the middle of the time in which it may have."""

    def __init__(self, channel: Channel) -> None:
        self._name, self._kind = channel.name, channel.kind
        self._at_ns = ((channel.since_ns + channel.t_ns) // 2).tolist()
        self._value = channel.value.tolist()
        self._gaps = sorted((int(begin), int(end)) for begin, end in channel.gap_ns)
        self._passed = 0  # gaps that were told

    def at(self, now_ns: int) -> Reading | None:
        """Return the reading at a time, or None where there is none yet."""
        row = bisect_right(self._at_ns, now_ns) - 1
        if row < 0:
            return None
        passed = bisect_right(self._gaps, (now_ns, now_ns)) - 1
        if passed >= 0 and now_ns < self._gaps[passed][1]:
            return Reading(self._name, math.nan, reason="a gap in the recording")
        broken, self._passed = passed + 1 > self._passed, passed + 1
        if broken and self._kind is ChannelKind.ENERGY:
            return Reading(self._name, self._value[row], gap=True, reason="a gap in the recording")
        return Reading(self._name, self._value[row])
