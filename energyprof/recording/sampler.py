"""Reads every sensor on its own schedule and keeps what it saw as rows; needs no thread and never sleeps.

A sensor with refresh edges is polled in phase with them (:mod:`.edge_tracking`), the others evenly. Whatever
a sensor throws ends here: it becomes a gap and a problem in words, never an exception in training code.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from energyprof.clock import Clock
from energyprof.errors import SensorLost
from energyprof.record.model import SensorInfo
from energyprof.record.trace import ChannelKind
from energyprof.recording.channel_track import ChannelTrack
from energyprof.recording.edge_tracking import EdgeSchedule
from energyprof.recording.refresh_stamps import StampTrust
from energyprof.recording.sample_rows import RowBuffer, SampleRows
from energyprof.sensors.base import ChannelSpec, Reading, Sensor

__all__ = ["Sampler", "SamplerProblem", "SensorStatistics"]

_EVEN_PERIOD_NS: Final = 100_000_000  # what sensors without edges are read at, unless they move more slowly
_SLOW_CALL_NS: Final = 20_000_000
_SLOW: Final = (
    "a reading took more than 20 ms, in the driver or waiting for the interpreter: its time is known that "
    "much less well"
)
_NOTHING_DUE_NS: Final = 1_000_000_000
_PATIENCE_S: Final = 1.0
_LAST_ATTEMPTS: Final = 5
_CPU_EVERY: Final = 16  # the CPU time of every 16th reading is taken: asking costs some microseconds
#: Whose edges are followed, where a sensor has several channels: the first that can be read.
_RANK: Final = {ChannelKind.ENERGY: 0, ChannelKind.POWER_INSTANT: 1, ChannelKind.POWER_AVERAGE: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerProblem:
    """Something that went wrong while sampling; equal problems are counted, not repeated.

    Attributes:
        sensor: the name of the sensor.
        reason: what happened, in words.
        count: how many times.
        first_ns: when it was first seen, relative to the sampler's origin.
        last_ns: when it was last seen.
    """

    sensor: str
    reason: str
    count: int
    first_ns: int
    last_ns: int


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


class Sampler:
    """The deterministic core of sampling: reads what is due when told to.

    :meth:`poll` and :meth:`finish` belong to one thread at a time; everything else may be called from any.
    """

    def __init__(self, sensors: Sequence[Sensor], clock: Clock, origin_ns: int) -> None:
        """Prepare to read ``sensors``; the first :meth:`poll` is due at once.

        Args:
            sensors: what to read; closing them stays with the caller.
            clock: the one clock.
            origin_ns: the monotonic time that rows call 0.
        """
        self._clock = clock
        self._origin_ns = origin_ns
        self.channels: tuple[ChannelSpec, ...] = tuple(spec for sensor in sensors for spec in sensor.channels)
        self._rows = RowBuffer(tuple(spec.name for spec in self.channels), origin_ns)
        self._latest: dict[str, float] = {}
        self._problems: dict[tuple[str, str], list[int]] = {}
        self._problems_lock = threading.Lock()
        self._reading = threading.Lock()
        self._finished = False
        now_ns = clock.now_ns()
        first = 0
        self._tracks: list[_SensorTrack] = []
        for sensor in sensors:
            self._tracks.append(_SensorTrack(sensor, first, now_ns))
            first += len(sensor.channels)
        self._followed = [track for track in self._tracks if track.sensor.edges]
        self._even = [track for track in self._tracks if not track.sensor.edges]

    def next_due_ns(self) -> int:
        """Return the monotonic time at which :meth:`poll` has something to do."""
        edge_ns = min((t.due_ns for t in self._followed if not t.lost), default=None)
        even_ns = min((t.due_ns for t in self._even if not t.lost), default=None)
        if edge_ns is None or even_ns is None:
            due_ns = edge_ns if even_ns is None else even_ns
            return self._clock.now_ns() + _NOTHING_DUE_NS if due_ns is None else due_ns
        if even_ns < edge_ns <= even_ns + _EVEN_PERIOD_NS:
            return edge_ns  # one wake-up for both: waking costs more than reading
        return min(edge_ns, even_ns)

    def poll(self) -> None:
        """Read the sensors that are due. Never raises."""
        with self._reading:
            for tracks in (self._followed, self._even):
                now_ns = self._clock.now_ns()
                for track in tracks:
                    if track.due_ns <= now_ns and not track.lost:
                        self._read(track)

    def finish(self) -> None:
        """Read everything a last time, and close gaps that are still open; a second call does nothing.

        Never raises. Where another thread still hangs in a driver, nothing is read.
        """
        if self._finished:
            return
        free = self._reading.acquire(timeout=_PATIENCE_S)
        try:
            self._finished = True
            for track in self._tracks:
                if free:
                    self._read_last(track)
                end_ns = self._clock.now_ns()
                for channel in track.channels:
                    channel.finish(self._rows, end_ns)
        finally:
            if free:
                self._reading.release()

    def drain(self) -> SampleRows:
        """Take out the rows since the last drain."""
        return self._rows.drain()

    def latest(self) -> dict[str, float]:
        """Return the latest good value of each channel, by channel name."""
        return self._latest.copy()

    @property
    def problems(self) -> tuple[SamplerProblem, ...]:
        """Return what went wrong so far, in the order in which it was first seen."""
        with self._problems_lock:
            return tuple(
                SamplerProblem(sensor=sensor, reason=reason, count=count, first_ns=first, last_ns=last)
                for (sensor, reason), (count, first, last) in self._problems.items()
            )

    @property
    def statistics(self) -> dict[str, SensorStatistics]:
        """Return what reading took so far, by sensor name."""
        return {track.name: track.statistics() for track in self._tracks}

    def sensor_infos(self) -> tuple[SensorInfo, ...]:
        """Return each sensor's description with the observed refresh and the counts filled in."""
        return tuple(track.describe() for track in self._tracks)

    def _read_last(self, track: _SensorTrack) -> None:
        """Read a sensor a last time; one that is merely flaky is asked again."""
        for _ in range(_LAST_ATTEMPTS):
            if track.lost:
                return
            began_ns = self._clock.now_ns()
            self._read(track)
            slow = self._clock.now_ns() - began_ns > _SLOW_CALL_NS
            if slow or not any(channel.failing for channel in track.channels):
                return

    def _read(self, track: _SensorTrack) -> None:
        timed = track.readings % _CPU_EVERY == _CPU_EVERY // 2
        cpu_ns = time.thread_time_ns() if timed else 0
        before_ns = self._clock.now_ns()
        try:
            readings = track.sensor.read()
            after_ns = self._clock.now_ns()
            self._take(track, readings, before_ns, after_ns)
        except Exception as error:  # whatever a sensor throws: training must go on
            after_ns = self._clock.now_ns()
            self._fail(track, error, after_ns)
        if after_ns - before_ns > _SLOW_CALL_NS:
            self._note(track.name, _SLOW, after_ns)
        track.readings += 1
        if timed:
            track.cpu_ns += time.thread_time_ns() - cpu_ns
            track.cpu_readings += 1

    def _take(self, track: _SensorTrack, readings: Sequence[Reading], before_ns: int, after_ns: int) -> None:
        wall_offset_ns = 0
        if readings and readings[0].sensor_time_ns is not None:
            wall_offset_ns = self._clock.wall_ns() - self._clock.now_ns()
        moved, edge_ns, best = False, None, len(_RANK)
        good = not readings  # a log may have nothing new
        for reading in readings:
            channel = track.by_name[reading.channel]
            if reading.reason is not None:
                self._note(track.name, reading.reason, after_ns)
            if math.isnan(reading.value):
                if reading.gap:
                    channel.break_off(self._rows, after_ns)
                else:
                    channel.fail(self._rows, after_ns)
                continue
            good = True
            self._latest[reading.channel] = reading.value
            refreshed = channel.take(self._rows, reading, before_ns, after_ns, wall_offset_ns)
            rank = track.ranks.get(reading.channel, best)
            if rank < best and not reading.gap:
                best, moved, edge_ns = rank, refreshed, channel.edge_ns
        track.reschedule(before_ns, after_ns, moved=moved, edge_ns=edge_ns, good=good)

    def _fail(self, track: _SensorTrack, error: Exception, after_ns: int) -> None:
        reason = _in_words(error)
        track.failures += 1
        for channel in track.channels:
            channel.fail(self._rows, after_ns)
        if isinstance(error, SensorLost):
            track.lost = True
            reason = f"{reason}; it is not read any more"
        track.reschedule_after_failure(after_ns)
        self._note(track.name, reason, after_ns)

    def _note(self, sensor: str, reason: str, now_ns: int) -> None:
        at_ns = now_ns - self._origin_ns
        with self._problems_lock:
            entry = self._problems.setdefault((sensor, reason), [0, at_ns, at_ns])
            entry[0] += 1
            entry[2] = at_ns


def _in_words(error: Exception) -> str:
    try:
        return str(error) or type(error).__name__
    except Exception:  # an error that cannot even say what it is
        return type(error).__name__


class _SensorTrack:
    """One sensor, its schedule and its counts."""

    def __init__(self, sensor: Sensor, first_channel: int, now_ns: int) -> None:
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
        self._period_ns = max(sensor.refresh_ns, _EVEN_PERIOD_NS)
        self.due_ns = now_ns
        self.lost = False
        self.readings = self.failures = self._failures_in_a_row = 0
        self.cpu_ns = self.cpu_readings = 0  # of the readings that were timed

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

    def reschedule_after_failure(self, after_ns: int) -> None:
        """Set when to try again after a call that failed."""
        self._failures_in_a_row += 1
        if self._edges is not None:
            self._edges.failed(after_ns, self._failures_in_a_row)
            self.due_ns = self._edges.due_ns
        else:
            wait_ns = self._period_ns * 2 ** min(self._failures_in_a_row - 1, 10)
            self.due_ns = after_ns + min(wait_ns, max(self._period_ns, 1_000_000_000))

    def statistics(self) -> SensorStatistics:
        period_ns = self._edges.period_ns if self._edges is not None else None
        return SensorStatistics(
            readings=self.readings,
            failures=self.failures,
            cpu_s=self.cpu_ns / 1e9 * self.readings / max(1, self.cpu_readings),
            refresh_s=None if period_ns is None else period_ns / 1e9,
            lost=self.lost,
        )

    def describe(self) -> SensorInfo:
        info, seen = self.sensor.info, self.statistics()
        refresh_s = info.refresh_s if seen.refresh_s is None else seen.refresh_s
        return replace(info, refresh_s=refresh_s, readings=seen.readings, failures=seen.failures)
