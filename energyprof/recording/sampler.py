"""Reads every sensor on its own schedule and keeps what it saw as rows; needs no thread and never sleeps.

A sensor with refresh edges is polled in phase with them (:mod:`.edge_tracking`), the others evenly. Whatever
a sensor throws ends here: it becomes a gap and a problem in words, never an exception in training code.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from energyprof.clock import Clock, Wake
from energyprof.errors import SensorLost
from energyprof.record.model import SensorInfo
from energyprof.recording.sample_rows import Columns, RowBuffer, SampleRows, TimedValue
from energyprof.recording.sensor_track import EVEN_PERIOD_NS, NEVER_NS, SensorStatistics, SensorTrack, Wait
from energyprof.sensors.base import ChannelSpec, Reading, Sensor

__all__ = ["Sampler", "SamplerProblem", "SensorStatistics"]

_SLOW_CALL_NS: Final = 20_000_000
_SLOW: Final = (
    "a reading took more than 20 ms, in the driver or waiting for the interpreter: its time is known that "
    "much less well"
)
_NOTHING_DUE_NS: Final = 1_000_000_000
_PATIENCE_S: Final = 1.0
_LAST_ATTEMPTS: Final = 20
_MOST_PROBLEMS: Final = 100  # that are told one by one
_OTHERS: Final = "other problems, too many to tell one by one"
_NOT_FOLLOWED: Final = 99  # worse than any rank of a channel whose edges are followed
_DECODE_NS: Final = 1_200_000_000  # what was captured is decoded by then, where nobody drains
_PLAN_NS: Final = 1_500_000_000


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


class Sampler:
    """The deterministic core of sampling: reads what is due when told to.

    :meth:`poll` and :meth:`finish` belong to one thread at a time; everything else may be called from any.
    """

    elsewhere_cpu_s: Final = None  # it reads in this process

    def __init__(self, sensors: Sequence[Sensor], clock: Clock, origin_ns: int) -> None:
        """Prepare to read ``sensors``; the first :meth:`poll` is due at once.

        Args:
            sensors: what to read; :meth:`close` closes them.
            clock: the one clock.
            origin_ns: the monotonic time that rows call 0.
        """
        self.origin_ns = origin_ns
        self.channels: tuple[ChannelSpec, ...] = tuple(spec for sensor in sensors for spec in sensor.channels)
        self._rows = RowBuffer(tuple(spec.name for spec in self.channels), origin_ns)
        self._latest: dict[str, TimedValue] = {}
        self._problems: dict[tuple[str, str], list[int]] = {}
        self._problems_lock = threading.Lock()
        self._reading = threading.Lock()
        self._finished = False
        self._now_ns = clock.now_ns
        first = 0
        self._tracks: list[SensorTrack] = []
        for sensor in sensors:
            self._tracks.append(SensorTrack(sensor, first, clock))
            first += len(sensor.channels)
        self._followed = [track for track in self._tracks if track.sensor.edges]
        self._even = [track for track in self._tracks if not track.sensor.edges]
        self._even_due_ns = self._first_even_ns()
        self._decode_due_ns = clock.now_ns() + _DECODE_NS

    def next_due_ns(self) -> int:
        """Return the monotonic time at which :meth:`poll` has something to do."""
        return self._next_due_ns([track.due_ns for track in self._followed])

    def _next_due_ns(self, edges_ns: Sequence[int]) -> int:
        edge_ns, even_ns = min(edges_ns, default=NEVER_NS), self._even_due_ns
        if even_ns < edge_ns <= even_ns + EVEN_PERIOD_NS:
            return edge_ns  # one wake-up for both: waking costs more than reading
        due_ns = min(edge_ns, even_ns)
        return due_ns if due_ns < NEVER_NS else self._now_ns() + _NOTHING_DUE_NS

    def poll(self) -> int:
        """Read the sensors that are due; return when to come again. Never raises."""
        with self._reading:
            now_ns, edges_ns = self._now_ns(), []
            for track in self._followed:
                if track.odd or (track.due_ns <= now_ns and not track.capture()):
                    self._decode(track)
                edges_ns.append(track.due_ns)
            if self._even_due_ns <= now_ns:
                now_ns = self._now_ns()  # reading the others may have taken long
                self._capture_even([track for track in self._even if track.due_ns <= now_ns])
            if self._decode_due_ns <= now_ns:
                self._decode_all()
                return self.next_due_ns()
            return self._next_due_ns(edges_ns)

    def rest(self, wait: Wait, wake: Wake, due_ns: int, until_ns: int) -> bool:
        """Sleep until :meth:`poll` has something to do; readings that go as planned are made meanwhile.

        Args:
            wait: see :meth:`energyprof.clock.Clock.wait_until_ns`.
            wake: what ends the sleep.
            due_ns: what :meth:`poll` said.
            until_ns: no planned reading is made after that.

        Returns:
            Whether ``wake`` was released.
        """
        until_ns = min(until_ns, self._even_due_ns)
        if due_ns > until_ns or len(self._followed) != 1:
            return wait(due_ns, wake)
        (track,) = self._followed
        glides = track.planned and track.due_ns <= until_ns
        return track.glide(wait, wake, self._reading, until_ns) if glides else wait(due_ns, wake)

    def read_energy(self) -> None:
        """Read the counters that have no edges between their turns: a window opens or closes now."""
        if not self._reading.acquire(timeout=_PATIENCE_S):
            return
        try:
            self._capture_even([track for track in self._even if track.counts and not track.lost])
        finally:
            self._reading.release()

    def _capture_even(self, tracks: Sequence[SensorTrack]) -> None:
        for track in tracks:
            if not track.capture():
                self._decode(track)
        self._even_due_ns = self._first_even_ns()

    def _first_even_ns(self) -> int:
        return min([track.due_ns for track in self._even], default=NEVER_NS)

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
                end_ns = self._now_ns()
                for channel in track.channels:
                    channel.finish(self._rows, end_ns)
        finally:
            if free:
                self._reading.release()

    def close(self) -> None:
        """Close the sensors. Never raises."""
        for track in self._tracks:
            try:
                track.sensor.close()
            except Exception as error:  # whatever a sensor throws at the end
                self._note(track.name, f"at the end of the recording: {_in_words(error)}", self._now_ns())

    def take(self) -> Columns:
        """Take out the rows since the last call, as they are; :meth:`drain` does not have them."""
        self._decode_now()
        return self._rows.take()

    def collect(self) -> Columns:
        """Return the rows since the last call, as they are; :meth:`drain` has them too."""
        self._decode_now()
        return self._rows.collect()

    def drain(self) -> SampleRows:
        """Take out the rows since the last drain."""
        self._decode_now()
        return self._rows.drain()

    def _decode_now(self) -> None:
        if self._reading.acquire(timeout=_PATIENCE_S):  # else another thread hangs in a driver
            try:
                self._decode_all()
            finally:
                self._reading.release()

    def latest(self) -> dict[str, TimedValue]:
        """Return the latest good value of each channel, by channel name; up to a second old."""
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
    def sensor_names(self) -> tuple[str, ...]:
        """Return, for each channel, the sensor that gives it."""
        return tuple(track.name for track in self._tracks for _ in track.channels)

    @property
    def statistics(self) -> dict[str, SensorStatistics]:
        """Return what reading took so far, by sensor name."""
        return {track.name: track.statistics() for track in self._tracks}

    def sensor_infos(self) -> tuple[SensorInfo, ...]:
        """Return each sensor's description with the observed refresh and the counts filled in."""
        return tuple(track.describe() for track in self._tracks)

    def _read_last(self, track: SensorTrack) -> None:
        """Read a sensor a last time; one that is merely flaky is asked again."""
        self._decode(track)
        for _ in range(_LAST_ATTEMPTS):
            if track.lost:
                return
            began_ns = self._now_ns()
            track.capture()
            self._decode(track)
            slow = self._now_ns() - began_ns > _SLOW_CALL_NS
            if slow or not any(channel.failing for channel in track.channels):
                return

    def _decode_all(self) -> None:
        for track in self._tracks:
            if track.captures:
                self._decode(track)
        self._even_due_ns = self._first_even_ns()
        self._decode_due_ns = self._now_ns() + _DECODE_NS

    def _decode(self, track: SensorTrack) -> None:
        """Understand what was captured of a sensor, in the order in which it was, and plan on from there."""
        captures, track.captures = track.captures, []
        for before_ns, after_ns, wall_ns, raw in captures:
            try:
                self._take(track, track.decode(raw, after_ns), before_ns, after_ns, wall_ns - after_ns)
            except Exception as error:  # whatever a sensor throws: training must go on
                self._fail(track, error, after_ns)
            if after_ns - before_ns > _SLOW_CALL_NS:
                self._note(track.name, _SLOW, after_ns)
            track.readings += 1
        if captures:
            track.plan(captures[-1][1] + _PLAN_NS)

    def _take(
        self,
        track: SensorTrack,
        readings: Sequence[Reading],
        before_ns: int,
        after_ns: int,
        wall_offset_ns: int,
    ) -> None:
        moved, edge_ns, best = False, None, _NOT_FOLLOWED
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
            self._latest[reading.channel] = (reading.value, after_ns)
            refreshed = channel.take(self._rows, reading, before_ns, after_ns, wall_offset_ns)
            rank = track.ranks.get(reading.channel, best)
            if rank < best and not reading.gap:
                best, moved, edge_ns = rank, refreshed, channel.edge_ns
        track.reschedule(before_ns, after_ns, moved=moved, edge_ns=edge_ns, good=good)

    def _fail(self, track: SensorTrack, error: Exception, after_ns: int) -> None:
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
        at_ns = now_ns - self.origin_ns
        with self._problems_lock:
            if len(self._problems) >= _MOST_PROBLEMS and (sensor, reason) not in self._problems:
                reason = _OTHERS
            entry = self._problems.setdefault((sensor, reason), [0, at_ns, at_ns])
            entry[0] += 1
            entry[2] = at_ns


def _in_words(error: Exception) -> str:
    try:
        return str(error) or type(error).__name__
    except Exception:  # an error that cannot even say what it is
        return type(error).__name__
