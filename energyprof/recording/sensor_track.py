"""One sensor while it is sampled: its channels, its schedule and its counts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from energyprof.clock import Clock, Wake
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Provenance, SensorInfo
from energyprof.recording.channel_track import ChannelTrack
from energyprof.recording.edge_tracking import EdgeSchedule
from energyprof.recording.refresh_stamps import StampTrust
from energyprof.sensors.base import DeferringSensor, Reading, Sensor

__all__ = ["EVEN_PERIOD_NS", "NEVER_NS", "SensorStatistics", "SensorTrack", "Wait"]

#: What counters without edges are read at, unless they move more slowly.
EVEN_PERIOD_NS: Final = 100_000_000
_MODEL_PERIOD_NS: Final = 500_000_000  # models of energy, and what is no energy
#: When a sensor is due that went away for good.
NEVER_NS: Final = 1 << 62
#: Sleeps until a time, or until the lock is released.
Wait = Callable[[int, Wake], bool]
_NOTHING: Final = "nothing"  # is expected: whatever is read has to be looked at
_LONGEST_WAIT_NS: Final = 1_000_000_000  # until a sensor that failed is tried again
#: Whose edges are followed, where a sensor has several channels: the first that can be read.
_RANK: Final = {ChannelKind.ENERGY: 0, ChannelKind.POWER_INSTANT: 1, ChannelKind.POWER_AVERAGE: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorStatistics:
    """What reading one sensor took.

    Attributes:
        readings: calls, failed ones included.
        failures: calls that failed.
        refresh_s: observed time between refresh edges, or None where none was learned.
        lost: whether it went away for good.
    """

    readings: int
    failures: int
    refresh_s: float | None
    lost: bool


class SensorTrack:
    """One sensor, when it is due, and what was captured of it.

    Attributes:
        sensor: the sensor.
        name: its name.
        channels: its channels, in order; ``by_name`` finds them.
        counts: whether any of its channels is cumulative energy.
        ranks: of the channels whose edges may be followed, the best first.
        due_ns: when to read it next; far in the future where it went away for good.
        lost: whether it went away for good.
        odd: whether the last capture was not as expected, and is to be decoded without delay.
        captures: readings that are not yet decoded: when they began and ended, the wall clock's time at the
            end, what was captured (or the error that was raised in its place).
        readings: how many were decoded; ``failures`` of these failed.
    """

    def __init__(self, sensor: Sensor, first_channel: int, clock: Clock) -> None:
        """Begin now; the channels are numbered from ``first_channel``."""
        self.sensor = sensor
        self.name = sensor.info.name
        trust = StampTrust()
        self.channels = [
            ChannelTrack(spec, first_channel + k, sensor.refresh_ns, trust, edges=sensor.edges)
            for k, spec in enumerate(sensor.channels)
        ]
        self.by_name = {channel.name: channel for channel in self.channels}
        self.ranks = {c.name: _RANK[c.kind] for c in self.channels if c.kind in _RANK}
        self.counts = any(channel.kind is ChannelKind.ENERGY for channel in self.channels)
        self._now_ns, self._wall_ns = clock.now_ns, clock.wall_ns
        self.due_ns = clock.now_ns()
        self._edges = EdgeSchedule(sensor.refresh_ns, self.due_ns) if sensor.edges else None
        modelled = sensor.info.source in (Provenance.ESTIMATED, Provenance.MISSING)
        self._period_ns = max(sensor.refresh_ns, _MODEL_PERIOD_NS if modelled else EVEN_PERIOD_NS)
        self._eager = not isinstance(sensor, DeferringSensor)
        self._source = sensor if isinstance(sensor, DeferringSensor) else _EagerSensor(sensor)
        self._key: object = None
        self._plan: list[tuple[int, bool | None]] = []  # polls after the next one, the last one first
        self._expected: bool | str | None = _NOTHING
        self.captures: list[tuple[int, int, int, Any]] = []
        self.lost = self.odd = False
        self.readings = self.failures = self._failures_in_a_row = 0

    @property
    def planned(self) -> bool:
        """Tell whether what follows the next reading is planned."""
        return bool(self._plan)

    def capture(self) -> bool:
        """Read, and keep what was read; tell whether it is as expected, so that decoding it can wait."""
        before_ns = self._now_ns()
        try:
            key, raw = self._source.capture()
        except Exception as error:  # whatever a sensor throws
            key, raw = None, error
        after_ns = self._now_ns()
        self.captures.append((before_ns, after_ns, self._wall_ns(), raw))
        if self._edges is None:
            self._advance(before_ns, after_ns)
            return not self._eager and not isinstance(raw, Exception)
        expected, moved, self._key = self._expected, key != self._key, key
        if key is None or not self._plan or (expected is not None and expected is not moved):
            self.odd = True
            return False
        self.due_ns, self._expected = self._plan.pop()
        return True

    def glide(self, wait: Wait, wake: Wake, lock: threading.Lock, until_ns: int) -> bool:
        """Sleep and capture, sleep and capture, as planned: until a time, or until something is unexpected.

        This is all that happens at most wake-ups, and it happens with cold caches: what :meth:`capture` does
        is written out here, since each line of Python, and each call above all, costs a microsecond or more.

        Args:
            wait: see :meth:`energyprof.clock.Clock.wait_until_ns`.
            wake: what ends the sleep.
            lock: is held while reading.
            until_ns: a reading after that is left to others.

        Returns:
            Whether ``wake`` was released.
        """
        now, wall, source = self._now_ns, self._wall_ns, self._source
        while self.due_ns <= until_ns and self._plan:
            if wait(self.due_ns, wake):
                return True
            with lock:
                before_ns = now()
                try:
                    key, raw = source.capture()
                except Exception as error:  # whatever a sensor throws
                    key, raw = None, error
                after_ns, expected = now(), self._expected
                self.captures.append((before_ns, after_ns, wall(), raw))
                usual = expected is None or (key != self._key) is expected
                self._key = key
                if key is None or not usual or not self._plan:
                    self.odd = True
                    return False
                self.due_ns, self._expected = self._plan.pop()
        return False

    def decode(self, raw: Any, at_ns: int) -> Sequence[Reading]:
        """Return the readings in a capture.

        Raises:
            Exception: what was raised when it was read, or what the sensor raises now.
        """
        if isinstance(raw, Exception):
            raise raw
        return self._source.decode(raw, at_ns)

    def plan(self, until_ns: int) -> None:
        """Plan what comes after the last reading that was decoded."""
        self.odd = False
        if self.lost:
            self.due_ns, self._plan = NEVER_NS, []
        elif self._edges is not None:
            self.due_ns, self._expected = self._edges.due_ns, _NOTHING
            self._plan = self._edges.plan(until_ns)[::-1]
            if self._plan:
                self.due_ns, self._expected = self._plan.pop()

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

    def reschedule_after_failure(self, after_ns: int) -> None:
        """Set when to try again after a call that failed."""
        self._failures_in_a_row += 1
        if self._edges is not None:
            self._edges.failed(after_ns, self._failures_in_a_row)
        else:
            wait_ns = self._period_ns * 2 ** min(self._failures_in_a_row - 1, 10)
            self.due_ns = after_ns + min(wait_ns, max(self._period_ns, _LONGEST_WAIT_NS))

    def _advance(self, before_ns: int, after_ns: int) -> None:
        """Set when to read next, evenly."""
        self.due_ns += self._period_ns
        if self.due_ns <= after_ns:  # late: skip what was missed, in place of a burst
            self.due_ns = after_ns + self._period_ns
        self.due_ns = max(self.due_ns, before_ns + self._period_ns // 2)

    def statistics(self) -> SensorStatistics:
        """Return what reading took so far."""
        period_ns = self._edges.period_ns if self._edges is not None else None
        return SensorStatistics(
            readings=self.readings,
            failures=self.failures,
            refresh_s=None if period_ns is None else period_ns / 1e9,
            lost=self.lost,
        )

    def describe(self) -> SensorInfo:
        """Return the sensor's description with what was observed filled in."""
        info, seen = self.sensor.info, self.statistics()
        refresh_s = info.refresh_s if seen.refresh_s is None else seen.refresh_s
        return replace(info, refresh_s=refresh_s, readings=seen.readings, failures=seen.failures)


class _EagerSensor:
    """A sensor that understands at once what it reads."""

    def __init__(self, sensor: Sensor) -> None:
        self._sensor = sensor

    def capture(self) -> tuple[object, Any]:
        return None, self._sensor.read()

    def decode(self, raw: Any, at_ns: int) -> Sequence[Reading]:
        return cast(Sequence[Reading], raw)
