"""A recording: marks, readings and logged scalars of one run, on their way to its folder.

Everything slow happens in a thread of its own, once a second; the training thread only appends to buffers.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from energyprof.clock import Clock
from energyprof.errors import OutputError
from energyprof.record.model import Overhead, Report, SensorInfo
from energyprof.record.store import RunFolder
from energyprof.recording.cuda_timeline import DeviceTimeline
from energyprof.recording.marks import MarkBuffer
from energyprof.recording.sample_source import SampleSource
from energyprof.recording.sampler import SamplerProblem
from energyprof.recording.sampling_thread import SamplingThread
from energyprof.recording.trace_writer import TraceWriter
from energyprof.sensors.base import ChannelSpec

__all__ = ["Recorder"]

_DEVICE_PATIENCE_NS: Final = 5_000_000_000


class Recorder:
    """Record one run from :meth:`start` to :meth:`stop`.

    Args:
        out: the folder of all runs.
        run_id: the run's folder in it.
        sampler: where readings come from; the recorder closes it.
        clock: monotonic and wall time.
        timeline: times the marks on the device too, where there is one.
        mark_clock: the clock of the marks, where it is more than the clock (one that waits for the device).

    Raises:
        OutputError: the folder cannot be written.
    """

    def __init__(
        self,
        out: Path,
        run_id: str,
        sampler: SampleSource,
        clock: Clock,
        timeline: DeviceTimeline | None = None,
        mark_clock: Callable[[], int] | None = None,
    ) -> None:
        self._clock = clock
        self._timeline = timeline
        self.origin_ns = sampler.origin_ns
        self.marks = MarkBuffer(mark_clock or clock.now_ns, None if timeline is None else timeline.record)
        self.sampler = sampler
        self._thread = SamplingThread(self.sampler, clock, self.flush)
        self._flushing = threading.Lock()
        self._draft: Report | None = None
        self._written: Report | None = None
        self._problems: list[str] = []
        self._mark_s = self._cpu_s = self._elsewhere_s = 0.0
        self._cpu_before_s = (0.0, 0.0)
        self._opened_ns: int | None = None  # since the origin
        self._lasted_s = 0.0
        self._owner = os.getpid()
        named = zip(sampler.sensor_names, sampler.channels, strict=True)
        channels = [_described(name, channel) for name, channel in named]
        self.folder = RunFolder(
            out, run_id, channels, device=timeline is not None
        )  # last: nothing fails after
        self._writer = TraceWriter(self.folder, self.marks, self.sampler, timeline, self.origin_ns)

    @property
    def problems(self) -> tuple[str, ...]:
        """Say what went wrong with recording, in words; times count from the window's start, as charts do."""
        sensors = [_in_words(problem, self._opened_ns or 0) for problem in self.sampler.problems]
        return (
            *sensors,
            *self._problems,
            *self._untimed(),
            *self._thread.flush_errors,
            *self.folder.problems,
        )

    def sensor_infos(self) -> tuple[SensorInfo, ...]:
        """Describe the sensors, with what was observed of them."""
        return self.sampler.sensor_infos()

    def start(self) -> None:
        """Start to record."""
        self._mark_s = _time_a_step_mark(self._clock)
        self._writer.resolve_device()  # takes the first anchor, before the first mark
        self.marks.mark(0)
        self.sampler.poll()
        self.flush()  # the first of everything is slow, and must not fall into the measured window
        self._thread.start()

    def log(self, values: Mapping[str, float]) -> None:
        """Note scalars at this moment; one that is not finite is kept as a gap."""
        self._writer.log(self._clock.now_ns(), values)

    def draft(self, report: Report) -> None:
        """Set what ``report.json`` says should the process be killed; written with the next flush."""
        self._draft = report

    def flush(self) -> None:
        """Put everything so far on disk. Called about once a second; never raises."""
        with self._flushing:
            if os.getpid() != self._owner:
                return
            settled = self._writer.flush(self._clock.now_ns())
            draft = self._draft
            if draft is not None and (draft is not self._written or (settled and not self.folder.has_report)):
                self._written = draft
                with suppress(OutputError):  # the next draft, or the report itself, will say so
                    self.folder.write_report(draft)

    def _settle(self) -> None:
        with self._flushing:
            if os.getpid() == self._owner:
                self._writer.settle()

    def open_window(self) -> None:
        """Note that the measured window opens now; what recording costs counts from here."""
        self.sampler.read_energy()
        self._cpu_before_s = self._cpu_so_far_s
        self._opened_ns = self._clock.now_ns() - self.origin_ns
        self.log({"window_open": 0.0})

    def close_window(self) -> None:
        """Note that the measured window closes now; one that never opened is empty."""
        if self._opened_ns is None:
            self.open_window()
        self.log({"window_close": 0.0})
        self._lasted_s = (self._clock.now_ns() - self.origin_ns - (self._opened_ns or 0)) / 1e9
        self.sampler.read_energy()
        spent = zip(self._cpu_so_far_s, self._cpu_before_s, strict=True)
        self._cpu_s, self._elsewhere_s = (after - before for after, before in spent)
        self.marks.mark(0)

    def stop(self) -> None:
        """Stop reading, take a last reading of everything, and end the streams. Never raises."""
        self.marks.mark(0)
        if not self._thread.stop():
            self._problems.append("the sampling thread hung in a driver call: the last readings are missing")
        self.log({"recording_end": 0.0})
        ends = (self._wait_for_device, self._settle, self.marks.close, self.folder.close, self.sampler.close)
        for last in (self.flush, *ends):
            try:
                last()
            except Exception as error:  # whatever a disk, a device or a sensor throws at the end
                self._problems.append(f"at the end of the recording: {_first_line(error)}")

    def overhead(self) -> Overhead:
        """Say what recording has cost while the window was open."""
        readings = sum(sensor.readings for sensor in self.sampler.sensor_infos())
        spent_s = self._writer.marks_written / 2 * self._mark_s + self._cpu_s  # a step is two marks
        return Overhead(
            mark_s=self._mark_s,
            marks=self._writer.marks_written,
            sampler_cpu_s=self._cpu_s,
            process_cpu_s=None if self.sampler.elsewhere_cpu_s is None else self._elsewhere_s,
            sampler_readings=readings,
            share_of_duration=spent_s / self._lasted_s if self._lasted_s > 0 else None,
            trace_bytes=self.folder.trace_bytes,
        )

    @property
    def _cpu_so_far_s(self) -> tuple[float, float]:
        """Return the CPU time that sampling and writing have taken in this process, and in another one."""
        return self._thread.cpu_s, self.sampler.elsewhere_cpu_s or 0.0

    def _untimed(self) -> tuple[str, ...]:
        """Say how many marks have the host's time only, and why."""
        timeline = self._timeline
        count = 0 if timeline is None else timeline.missed + timeline.waiting
        if timeline is None or not count:
            return ()
        why = timeline.failed or "it was too far behind the host"
        return (f"{count} marks were not timed on the device ({why}): the host's times stand for them",)

    def _wait_for_device(self) -> None:
        """Let the device pass the last marks; a device that hangs is left after a while."""
        deadline_ns = self._clock.now_ns() + _DEVICE_PATIENCE_NS
        timeline = self._timeline
        while timeline is not None and not timeline.failed and timeline.waiting:
            if self._clock.now_ns() >= deadline_ns:
                return
            self._clock.sleep_until_ns(self._clock.now_ns() + 1_000_000)
            self._writer.resolve_device()


def _in_words(problem: SamplerProblem, opened_ns: int) -> str:
    first_s, last_s = (problem.first_ns - opened_ns) / 1e9, (problem.last_ns - opened_ns) / 1e9
    when = f"{abs(last_s):.1f} s {_side(last_s)} the window opened"
    if problem.count > 1 and _side(first_s) == _side(last_s):
        when = f"{problem.count} times, {abs(first_s):.1f} to {when}"
    elif problem.count > 1:
        when = f"{problem.count} times, from {abs(first_s):.1f} s {_side(first_s)} to {when}"
    return f"{problem.sensor}: {problem.reason} ({when})"


def _side(time_s: float) -> str:
    return "before" if time_s < 0 else "after"


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _described(sensor: str, channel: ChannelSpec) -> dict[str, str]:
    fields = ("name", "domain", "kind", "unit")
    return {**{name: str(getattr(channel, name)) for name in fields}, "sensor": sensor}


def _time_a_step_mark(clock: Clock, count: int = 2_000) -> float:
    """Return what a step mark costs on this machine, in seconds."""
    scratch = MarkBuffer(clock.now_ns)
    empty = [None] * count
    before_ns = clock.now_ns()
    for _ in empty:
        pass
    between_ns = clock.now_ns()
    for _ in scratch.steps(empty, "step"):
        pass
    after_ns = clock.now_ns()
    return max(0.0, (after_ns - between_ns) - (between_ns - before_ns)) / 1e9 / count
