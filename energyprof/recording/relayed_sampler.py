"""Readings from a sampling process and those that only this process can make, as one sampler gives them.

The process is asked for its rows when the recording is put on disk, once a second. Should it end, a new one
takes over, and what was not seen meanwhile is a gap.
"""

from __future__ import annotations

import math
import threading
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from energyprof.clock import Clock, Wake
from energyprof.errors import SensorLost, SensorUnavailable
from energyprof.record.model import SensorInfo
from energyprof.recording.sample_rows import Columns, Row, SampleRows, TimedValue, as_columns, joined
from energyprof.recording.sampler import Sampler, SamplerProblem
from energyprof.recording.sampling_messages import ENERGY, LAST, ROWS, ROWS_OF_CUDA, Hello, Rows
from energyprof.recording.sampling_process import SamplingProcess
from energyprof.recording.sensor_track import NEVER_NS, Wait
from energyprof.sensors.base import ChannelSpec
from energyprof.sensors.discovery import discover_memory
from energyprof.sensors.program import Program

__all__ = ["RelayedSampler"]

_NAME: Final = "sampling process"
_GREETING_S: Final = 30.0  # a driver that is loaded first takes seconds
_ANSWER_S: Final = 0.5
_LAST_ANSWER_S: Final = 4.0
_MOST_LOSSES: Final = 4
_NO_ANSWER: Final = (
    "it gives no answer, as where a driver's call hangs: what it reads comes later, or not at all"
)


class RelayedSampler:
    """A :class:`.sample_source.SampleSource` whose sensors are read by a process of their own.

    What only this process can tell, its memory, is read here, whenever rows are collected: once a second, so
    that this process wakes up no more often than it must to put them on disk.

    Attributes:
        origin_ns: the monotonic time that rows call 0.
        gpus: the devices that are measured.
        missing: what cannot be measured, why, and what to do about it: a sentence each.
        channels: what rows are numbered by; those that are read here are the last ones.
        sensor_names: for each channel, the sensor that gives it.
    """

    def __init__(self, clock: Clock) -> None:
        """Start the process, and wait until it reads.

        Args:
            clock: the machine's clock; the process reads the same.

        Raises:
            SensorUnavailable: there is no such process here; says why.
        """
        self.origin_ns = clock.now_ns()
        self._clock = clock
        self._process = SamplingProcess(self.origin_ns)
        hello = self._first_hello()
        memory = discover_memory([gpu.domain for gpu in hello.gpus])
        self.gpus = hello.gpus
        self.missing = (*hello.problems, *memory.problems)
        self._here = Sampler(memory.sensors, clock, self.origin_ns)
        self.channels: tuple[ChannelSpec, ...] = (*hello.channels, *self._here.channels)
        self.sensor_names = (*hello.sensor_names, *self._here.sensor_names)
        self._first_here = len(hello.channels)
        self._numbers: list[int | None] = list(range(self._first_here))  # of the process's channels
        self._infos = {info.name: info for info in hello.infos}
        self._earlier = _Earlier()
        self._latest: dict[str, TimedValue] = {}
        self._told: tuple[SamplerProblem, ...] = ()
        self._own: dict[str, SamplerProblem] = {}
        self._seen_ns: dict[int, int] = {}  # when each channel had its last row
        self._broken: set[int] = set()  # channels without a row since their process was lost
        self._cpu_s = 0.0
        self._losses = 0
        self._greeted, self._finished = True, False
        self._talking = threading.Lock()
        self._rows: list[Columns] = []
        self._collected: list[Columns] = []

    # -- what a recording asks ----------------------------------------------------------------------------

    @property
    def elsewhere_cpu_s(self) -> float:
        """Return the CPU time of the process since it began to read, as it last said."""
        return self._earlier.cpu_s + self._cpu_s

    @property
    def problems(self) -> tuple[SamplerProblem, ...]:
        """Return what went wrong so far: in the process, with it, and here."""
        return (*self._earlier.problems, *self._told, *self._own.values(), *self._here.problems)

    def sensor_infos(self) -> tuple[SensorInfo, ...]:
        """Return each sensor's description with what was observed filled in, as the process last said."""
        return (*map(self._earlier.added_to, self._infos.values()), *self._here.sensor_infos())

    def latest(self) -> dict[str, TimedValue]:
        """Return the latest good value of each channel, by channel name; up to a second old."""
        return self._latest | self._here.latest()

    def poll(self) -> int:
        """Do nothing: the process reads by itself."""
        return NEVER_NS

    def next_due_ns(self) -> int:
        """Return that there is nothing to do."""
        return NEVER_NS

    def rest(self, wait: Wait, wake: Wake, due_ns: int, until_ns: int) -> bool:
        """Sleep until a time; tell whether ``wake`` was released."""
        return wait(min(due_ns, until_ns), wake)

    def read_energy(self) -> None:
        """Have the counters read: a window opens or closes now."""
        with self._talking:
            if self._greeted and not self._finished:
                try:
                    self._process.say(ENERGY)
                except SensorLost as error:
                    self._lose(error)

    def collect(self) -> Columns:
        """Return the rows since the last call, those of the process and those made here."""
        with self._talking:
            if not self._finished:
                self._ask(ROWS_OF_CUDA if Program.here().uses_cuda() else ROWS, _ANSWER_S)
                self._here.poll()
        chunks, self._rows = self._rows, []
        here = self._here.collect()
        chunks.append((array("i", [number + self._first_here for number in here[0]]), *here[1:]))
        columns = joined(chunks)
        self._collected.append(columns)
        return columns

    def drain(self) -> SampleRows:
        """Take out the rows since the last drain."""
        self.collect()
        chunks, self._collected = self._collected, []
        return SampleRows.joined(tuple(spec.name for spec in self.channels), chunks)

    def finish(self) -> None:
        """Have everything read a last time, and end the process; a second call does nothing."""
        with self._talking:
            if self._finished:
                return
            self._finished = True
            if self._ask(LAST, _LAST_ANSWER_S):
                self._process.end()
            else:  # it hangs, or is gone
                self._process.end(0.0)
                self._broken.update(self._seen_ns)
            end_ns = self._clock.now_ns() - self.origin_ns
            self._rows.append(_gaps({number: self._seen_ns[number] for number in self._broken}, end_ns))
        self._here.finish()

    def close(self) -> None:
        """End the process, and close the sensors here."""
        with self._talking:
            self._finished = True
            self._process.end()
        self._here.close()

    # -- the process --------------------------------------------------------------------------------------

    def _first_hello(self) -> Hello:
        try:
            hello = self._process.hello(_GREETING_S)
        except SensorLost as error:
            raise SensorUnavailable(str(error)) from error
        except BaseException:  # Ctrl-C, as a driver takes its time: a notebook would keep the process alive
            self._process.end(0.0)
            raise
        if hello is None:
            self._process.end(0.0)
            raise SensorUnavailable(f"it found no sensors within {_GREETING_S:g} s")
        return hello

    def _ask(self, word: bytes, timeout_s: float) -> bool:
        """Ask for rows, and take what comes; tell whether all was answered.

        A process that was lost has a successor, which greets first.
        """
        try:
            if not self._greeted and not self._greet(timeout_s if word == LAST else 0.0):
                return False
            answers = self._process.ask(word, timeout_s)
        except SensorLost as error:
            self._lose(error)
            return False
        if not answers:
            self._note(_NO_ANSWER)
        for answer in answers:
            self._take(answer)
        return not self._process.owes

    def _greet(self, timeout_s: float) -> bool:
        hello = self._process.hello(timeout_s) if self._losses < _MOST_LOSSES else None
        if hello is None:
            return False
        numbers = {spec: number for number, spec in enumerate(self.channels[: self._first_here])}
        self._numbers = [numbers.get(spec) for spec in hello.channels]
        self._greeted = True
        return True

    def _take(self, rows: Rows) -> None:
        columns = rows.columns
        if self._losses:
            columns = self._continued(columns)
        self._seen_ns.update(zip(columns[0], columns[2], strict=True))
        self._rows.append(columns)
        self._latest, self._told, self._cpu_s = rows.latest, rows.problems, rows.cpu_s
        self._infos.update({info.name: info for info in rows.infos if info.name in self._infos})

    def _continued(self, columns: Columns) -> Columns:
        """Return a later process's rows by our channels; the first of each channel ends a gap."""
        rows: list[Row] = []
        for number, since_ns, t_ns, value, gap in zip(*columns, strict=True):
            ours = self._numbers[number]
            if ours is None:
                continue
            if ours in self._broken:
                self._broken.discard(ours)
                since_ns, t_ns, gap = self._seen_ns[ours], max(t_ns, self._seen_ns[ours]), True
            rows.append((ours, since_ns, t_ns, value, bool(gap)))
        return as_columns(rows)

    def _lose(self, why: SensorLost) -> None:
        """Go on without a process that has ended: with another one, unless that has been of no use."""
        self._earlier.add(self._infos.values(), self._told, self._cpu_s)
        self._infos = {name: replace(i, readings=0, failures=0) for name, i in self._infos.items()}
        self._told, self._cpu_s, self._latest = (), 0.0, {}
        self._broken.update(self._seen_ns)
        self._greeted = False
        self._losses += 1
        if self._finished:
            self._note(f"{why}: its last readings are missing")
            return
        if self._losses >= _MOST_LOSSES:
            self._note(f"{why}, for the {_MOST_LOSSES}th time: nothing is read any more")
            return
        self._note(f"{why}: another one took over, and nothing was read until then")
        try:
            self._process = SamplingProcess(self.origin_ns)
        except SensorUnavailable as error:
            self._losses = _MOST_LOSSES
            self._note(str(error))

    def _note(self, reason: str) -> None:
        now_ns = self._clock.now_ns() - self.origin_ns
        before = self._own.get(reason)
        self._own[reason] = SamplerProblem(
            sensor=_NAME,
            reason=reason,
            count=1 if before is None else before.count + 1,
            first_ns=now_ns if before is None else before.first_ns,
            last_ns=now_ns,
        )


class _Earlier:
    """What the processes did that were lost."""

    def __init__(self) -> None:
        self.cpu_s = 0.0
        self.problems: tuple[SamplerProblem, ...] = ()
        self._counts: dict[str, tuple[int, int]] = {}

    def add(self, infos: Iterable[SensorInfo], problems: tuple[SamplerProblem, ...], cpu_s: float) -> None:
        """Add one that was lost just now."""
        self.cpu_s += cpu_s
        self.problems += problems
        for info in infos:
            readings, failures = self._counts.get(info.name, (0, 0))
            self._counts[info.name] = (readings + info.readings, failures + info.failures)

    def added_to(self, info: SensorInfo) -> SensorInfo:
        """Return a sensor's description with the earlier readings counted."""
        readings, failures = self._counts.get(info.name, (0, 0))
        return replace(info, readings=info.readings + readings, failures=info.failures + failures)


def _gaps(since_ns: Mapping[int, int], end_ns: int) -> Columns:
    """Return a gap for each of some channels."""
    return as_columns([(number, ns, max(ns, end_ns), math.nan, True) for number, ns in since_ns.items()])
