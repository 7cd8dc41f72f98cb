"""What a sensor is to the rest of the package.

A sensor is read on the sampler's schedule. One :meth:`Sensor.read` returns the present value of each of its
channels; the sampler takes the time before and after the call and detects refresh edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import SensorInfo

__all__ = ["ChannelSpec", "DeferringSensor", "Reading", "Sensor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSpec:
    """One value that a sensor gives, see :class:`energyprof.record.trace.Channel`."""

    name: str
    domain: str
    kind: ChannelKind
    unit: str


class Reading(NamedTuple):
    """The present value of one channel; a named tuple, since some thirty are made each second.

    Attributes:
        channel: the :class:`ChannelSpec` name.
        value: in the channel's unit. Energy is raw and cumulative in joules; the sensor itself undoes wraps
            and resets so that it never falls. NaN where reading this channel failed and others did not; with
            ``gap``, where it could be read but means nothing (a counter that stands still).
        sensor_time_ns: the sensor's own wall-clock time stamp (Unix epoch) of this value, or None.
        gap: True where continuity was lost since the reading before (counter reset, driver reload).
        logged: True where ``sensor_time_ns`` is from the sensor's own log; one call may then give several
            values of the channel, oldest first.
        reason: why, in words, where ``gap`` is True or ``value`` is NaN; the sampler counts it as a problem.
    """

    channel: str
    value: float
    sensor_time_ns: int | None = None
    gap: bool = False
    logged: bool = False
    reason: str | None = None


class Sensor(Protocol):
    """One thing that can be read: a GPU's counter and power, a CPU package, the process's memory."""

    @property
    def info(self) -> SensorInfo:
        """Describe the sensor: name, domains, provenance and semantics in plain words."""
        ...

    @property
    def channels(self) -> tuple[ChannelSpec, ...]:
        """List the channels that :meth:`read` may return (a call may leave some out)."""
        ...

    @property
    def refresh_ns(self) -> int:
        """Return the nominal time between changes of the value; the sampler starts from it."""
        ...

    @property
    def edges(self) -> bool:
        """Tell whether refresh edges matter (counters, power): True asks for phase-locked polling."""
        ...

    def read(self) -> Sequence[Reading]:
        """Read once.

        Raises:
            SensorError: the reading failed this time; the sampler records a gap and tries again.
            SensorLost: it went away for good; the sampler stops reading it.
        """
        ...

    def close(self) -> None:
        """Give back what it holds; a second call does nothing."""
        ...


@runtime_checkable
class DeferringSensor(Sensor, Protocol):
    """A sensor that can be read now and understood later.

    A thread that wakes finds cold caches: code that runs once costs ten times what the same code costs when
    it runs again at once. So the sampler captures at each wake-up, and decodes a second's captures together.
    """

    def capture(self) -> tuple[object, Any]:
        """Read once and understand nothing.

        Returns:
            (key, raw): the key changes when the value whose edges are followed moves, and is None where the
            reading should be looked at without delay; ``raw`` is for :meth:`decode`.

        Raises:
            SensorError: as :meth:`Sensor.read` does.
        """
        ...

    def decode(self, raw: Any, at_ns: int) -> Sequence[Reading]:
        """Understand a capture; captures are decoded in the order in which they were taken.

        Args:
            raw: what was captured.
            at_ns: when, on the monotonic clock.

        Raises:
            SensorError: the reading failed that time.
            SensorLost: the sensor went away for good.
        """
        ...
