"""Memory: of this process on the host, of torch's allocator on the devices.

The host's figure comes from one ``pread`` of an open file; the devices' from torch's own counters, without a
sync, and only where the program has torch loaded already: nothing here imports it. Peaks between two readings
are not missed: the kernel and the allocator keep high-water marks.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from energyprof.errors import SensorError, SensorLost, SensorUnavailable
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Provenance, SensorInfo
from energyprof.sensors.base import ChannelSpec, Reading

__all__ = ["AllocatorMemory", "HostMemory"]

_REFRESH_NS: Final = 500_000_000
_CHANNELS: Final = (
    ChannelSpec(name="host/memory", domain="host", kind=ChannelKind.MEMORY, unit="B"),
    ChannelSpec(name="host/memory_peak", domain="host", kind=ChannelKind.MEMORY, unit="B"),
)


class _Peak:
    """The highest value since this was made, by a high-water mark that began earlier."""

    def __init__(self) -> None:
        self._highest = 0.0
        self._mark: float | None = None

    def take(self, now: float, mark: float) -> float:
        """Return the peak so far, from the present value and the mark.

        A mark that has risen is the peak since the reading before; one that stands still is from earlier.
        """
        risen = self._mark is not None and mark > self._mark
        self._highest = max(self._highest, now, mark if risen else 0.0)
        self._mark = mark
        return self._highest


class HostMemory:
    """The resident memory of this process; a forked child's is not included."""

    refresh_ns = _REFRESH_NS
    edges = False
    channels = _CHANNELS

    def __init__(self, statm: Path = Path("/proc/self/statm")) -> None:
        """Open the kernel's figures, or psutil's where the system has no such file.

        Raises:
            SensorUnavailable: neither can be read.
        """
        self._close: Callable[[], None] = _nothing
        self._resident, how = self._choose(statm)
        self._peak = _Peak()
        self._mark = _resident_mark()
        self.info = SensorInfo(
            name="memory:host",
            source=Provenance.MISSING,
            semantics=f"Resident memory of this process without its children, from {how}; the peak since "
            "recording began, by the kernel's own high-water mark.",
            refresh_s=_REFRESH_NS / 1e9,
        )

    def read(self) -> Sequence[Reading]:
        """Read resident memory and its peak so far, in bytes."""
        return self.decode(self.capture()[1], 0)

    def capture(self) -> tuple[object, Any]:
        """Read the kernel's figures; see :class:`.base.DeferringSensor`."""
        return None, (self._resident(), self._mark())

    def decode(self, raw: Any, at_ns: int) -> Sequence[Reading]:
        """Understand what was captured."""
        resident, mark = raw
        resident_bytes = _resident_in(resident) if isinstance(resident, bytes) else resident
        peak_bytes = self._peak.take(resident_bytes, mark)
        return (Reading("host/memory", resident_bytes), Reading("host/memory_peak", peak_bytes))

    def close(self) -> None:
        """Close the file."""
        self._close()
        self._close = _nothing

    def _choose(self, statm: Path) -> tuple[Callable[[], bytes | float], str]:
        try:
            descriptor = os.open(statm, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except OSError:
            return _resident_by_psutil(), "psutil"
        self._close = lambda: os.close(descriptor)
        return lambda: os.pread(descriptor, 64, 0), str(statm)


class AllocatorMemory:
    """What torch's caching allocator holds on each device of this process: allocated, reserved, the peak.

    Silent until the program uses CUDA. Reading takes no sync and makes no CUDA context.
    """

    refresh_ns = _REFRESH_NS
    edges = False

    def __init__(self, domains: Sequence[str]) -> None:
        """Watch devices: ``gpu:0`` is torch's first.

        Raises:
            SensorUnavailable: torch is not loaded, or has no CUDA.
        """
        torch: Any = sys.modules.get("torch")
        self._cuda: Any = getattr(torch, "cuda", None)
        built = getattr(getattr(torch, "version", None), "cuda", None) is not None
        if not domains or not built or not hasattr(self._cuda, "memory_stats_as_nested_dict"):
            raise SensorUnavailable(
                "torch is not loaded, or has no CUDA: what its allocator holds is not read"
            )
        self._peaks = {domain: _Peak() for domain in domains}
        self.channels = tuple(
            ChannelSpec(name=f"{domain}/memory_{what}", domain=domain, kind=ChannelKind.MEMORY, unit="B")
            for domain in domains
            for what in ("allocated", "reserved", "peak")
        )
        self.info = SensorInfo(
            name="memory:torch",
            source=Provenance.MISSING,
            semantics="Memory of this process on its devices, as torch's allocator counts it; the peak is "
            "that of what was allocated since recording began, by the allocator's own high-water mark.",
            refresh_s=_REFRESH_NS / 1e9,
        )

    def read(self) -> Sequence[Reading]:
        """Read allocated and reserved bytes of each device, and the peak of what was allocated so far.

        Raises:
            SensorError: torch does not tell.
        """
        if not self._cuda.is_initialized():
            return ()
        try:
            return [reading for domain in self._peaks for reading in self._of(domain)]
        except (RuntimeError, KeyError) as error:
            raise SensorError(f"torch does not tell what it holds: {error}") from error

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def _of(self, domain: str) -> list[Reading]:
        held = self._cuda.memory_stats_as_nested_dict(int(domain.partition(":")[2]))
        allocated, reserved = held["allocated_bytes"]["all"], held["reserved_bytes"]["all"]
        peak_bytes = self._peaks[domain].take(float(allocated["current"]), float(allocated["peak"]))
        return [
            Reading(f"{domain}/memory_allocated", float(allocated["current"])),
            Reading(f"{domain}/memory_reserved", float(reserved["current"])),
            Reading(f"{domain}/memory_peak", peak_bytes),
        ]


def _resident_in(statm: bytes) -> float:
    return float(int(statm.split(maxsplit=2)[1]) * os.sysconf("SC_PAGE_SIZE"))


def _resident_mark() -> Callable[[], float]:
    """Return what tells the most memory that this process has ever had, in bytes; 0 where nothing does."""
    with suppress(ImportError):  # Windows has none
        from resource import RUSAGE_SELF, getrusage

        unit = 1 if sys.platform == "darwin" else 1024
        return lambda: float(getrusage(RUSAGE_SELF).ru_maxrss * unit)
    return lambda: 0.0


def _resident_by_psutil() -> Callable[[], float]:
    try:
        import psutil

        process = psutil.Process()
        process.memory_info()
    except Exception as error:  # psutil's own errors differ by platform
        raise SensorUnavailable(f"this process's memory cannot be read: {error}") from error

    def resident() -> float:
        try:
            return float(process.memory_info().rss)
        except psutil.Error as error:
            raise SensorLost(f"this process's memory cannot be read any more: {error}") from error

    return resident


def _nothing() -> None:
    """Do nothing: there is nothing to close."""
