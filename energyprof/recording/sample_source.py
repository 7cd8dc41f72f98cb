"""Where a recording's readings come from: sensors read in this process, or in one of their own."""

from __future__ import annotations

from typing import Protocol

from energyprof.clock import Wake
from energyprof.record.model import SensorInfo
from energyprof.recording.sample_rows import Columns, SampleRows, TimedValue
from energyprof.recording.sampler import SamplerProblem
from energyprof.recording.sensor_track import Wait
from energyprof.sensors.base import ChannelSpec

__all__ = ["SampleSource"]


class SampleSource(Protocol):
    """A :class:`.sampler.Sampler`, or what stands for one that works elsewhere; see there for the methods."""

    @property
    def origin_ns(self) -> int:
        """Return the monotonic time that rows call 0."""
        ...

    @property
    def channels(self) -> tuple[ChannelSpec, ...]:
        """Return the channels that rows are numbered by."""
        ...

    @property
    def sensor_names(self) -> tuple[str, ...]:
        """Return, for each channel, the sensor that gives it."""
        ...

    @property
    def problems(self) -> tuple[SamplerProblem, ...]:
        """Return what went wrong so far, in the order in which it was first seen."""
        ...

    @property
    def elsewhere_cpu_s(self) -> float | None:
        """Return the CPU time that reading has taken in another process; None: this one reads."""
        ...

    def sensor_infos(self) -> tuple[SensorInfo, ...]:
        """Return each sensor's description with what was observed filled in."""
        ...

    def latest(self) -> dict[str, TimedValue]:
        """Return the latest good value of each channel, by channel name."""
        ...

    def poll(self) -> int:
        """Read what is due in this process; return when to come again, or ``NEVER_NS``. Never raises."""
        ...

    def next_due_ns(self) -> int:
        """Return the monotonic time at which :meth:`poll` has something to do."""
        ...

    def rest(self, wait: Wait, wake: Wake, due_ns: int, until_ns: int) -> bool:
        """Sleep until :meth:`poll` has something to do; tell whether ``wake`` was released."""
        ...

    def read_energy(self) -> None:
        """Read counters between their turns: a window opens or closes now."""
        ...

    def collect(self) -> Columns:
        """Return the rows since the last call, as they are; :meth:`drain` has them too."""
        ...

    def drain(self) -> SampleRows:
        """Take out the rows since the last drain."""
        ...

    def finish(self) -> None:
        """Read everything a last time; a second call does nothing. Never raises."""
        ...

    def close(self) -> None:
        """Give back what it holds. Never raises."""
        ...
