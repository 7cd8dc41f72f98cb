"""The polling of a calibration: densely, while the card idles and while a load switches on and off."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from energyprof.clock import Clock
from energyprof.errors import SensorError
from energyprof.record.channel_kind import ChannelKind
from energyprof.sensors.base import Sensor
from energyprof.sensors.calibration_fit import Floats

__all__ = ["CalibrationSession", "Load", "PolledTrack"]

#: Queues work that keeps the device busy for so many seconds from now on, and returns at once.
Load = Callable[[float], None]

_POLL_S: Final = 0.002
_LONG_STEPS: Final = 4
_LONG_S: Final = 1.6  # long enough for a 1 s average to come to rest
_GOLDEN: Final = 0.618033988749895  # its multiples are spread evenly: steps at every phase of the refresh
_BLOCKED_SHARE: Final = 0.5  # of its time: a load that takes longer to return has not returned at once


@dataclass(slots=True)
class PolledTrack:
    """The changes of one channel: between which polls, and to what. Seconds since the session began."""

    since_s: list[float] = field(default_factory=list)
    until_s: list[float] = field(default_factory=list)
    value: list[float] = field(default_factory=list)

    def take(self, since_s: float, until_s: float, value: float) -> None:
        """Take in a reading."""
        if not self.value or value != self.value[-1]:
            self.since_s.append(since_s)
            self.until_s.append(until_s)
            self.value.append(value)

    def at(self, time_s: Floats) -> Floats:
        """Return (n,) what the channel showed at each time."""
        row = np.searchsorted(np.array(self.until_s), time_s, side="right") - 1
        return np.array(self.value)[np.maximum(row, 0)]


class CalibrationSession:
    """Polls one sensor and keeps what it saw.

    Attributes:
        tracks: the channels by kind.
        idle_s: how long the card was left alone at first.
        on_s: when the load was switched on, each time.
        off_s: when it went off again.
        long: which of these were long enough for a 1 s average.
        blocked: whether the load did not return at once.
        readings: how often the sensor was read.
        failures: how many of these failed.
        error: the last failure, in words.
    """

    def __init__(self, sensor: Sensor, clock: Clock) -> None:
        """Begin now."""
        self._sensor, self._clock = sensor, clock
        self._start_ns = clock.now_ns()
        self._before_s = 0.0
        self._kinds = {spec.name: spec.kind for spec in sensor.channels}
        self.tracks: dict[ChannelKind, PolledTrack] = {kind: PolledTrack() for kind in self._kinds.values()}
        self.idle_s = 0.0
        self.on_s: list[float] = []
        self.off_s: list[float] = []
        self.long: list[bool] = []
        self.blocked = False
        self.readings = self.failures = 0
        self.error = ""

    @property
    def refresh_s(self) -> float:
        """Return the nominal refresh period."""
        return self._sensor.refresh_ns / 1e9

    def now_s(self) -> float:
        """Return the time since the session began."""
        return (self._clock.now_ns() - self._start_ns) / 1e9

    def idle(self, seconds: float) -> None:
        """Poll while the card is left alone."""
        self._poll_for(seconds)
        self.idle_s = self.now_s()

    def step(self, load: Load, seconds: float) -> None:
        """Poll while the load switches on and off, a few times for long and then quickly."""
        end_s = self.now_s() + seconds
        short_s = max(4 * self.refresh_s, 0.2)
        load(short_s)  # the first one also compiles and clocks up: it is not looked at
        self._poll_for(3 * short_s)
        while self.now_s() < end_s:
            count = len(self.long)
            on_s = _LONG_S if count < _LONG_STEPS else short_s
            self._switch(load, on_s, off_s=on_s + self.refresh_s * (count * _GOLDEN % 1.0))
            self.long.append(count < _LONG_STEPS)

    def _switch(self, load: Load, on_s: float, off_s: float) -> None:
        began_s = self.now_s()
        load(on_s)
        self.blocked = self.blocked or self.now_s() - began_s > _BLOCKED_SHARE * on_s
        self.on_s.append(began_s)
        self.off_s.append(began_s + on_s)
        self._poll_for(on_s + off_s - (self.now_s() - began_s))

    def _poll_for(self, seconds: float) -> None:
        end_s = self.now_s() + seconds
        while (now_s := self.now_s()) < end_s:
            self._poll(now_s)
            self._clock.sleep_until_ns(self._start_ns + int((now_s + _POLL_S) * 1e9))

    def _poll(self, before_s: float) -> None:
        self.readings += 1
        try:
            readings = self._sensor.read()
        except SensorError as error:
            self.failures += 1
            self.error = str(error)
            return
        after_s = self.now_s()
        for reading in readings:
            if not math.isnan(reading.value) and not reading.gap:
                self.tracks[self._kinds[reading.channel]].take(self._before_s, after_s, reading.value)
        self._before_s = before_s
