"""Memory of this process: resident set and its peak on the host, allocator figures on the device.

The host's figure comes from one ``pread`` of an open file; the device's from torch's own counters, without a
sync, and only where the program has torch loaded already: nothing here imports it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from energyprof.errors import SensorLost, SensorUnavailable
from energyprof.record.model import Provenance, SensorInfo
from energyprof.record.trace import ChannelKind
from energyprof.sensors.base import ChannelSpec, Reading

__all__ = ["AllocatorMemory", "HostMemory", "allocator_memory", "peak_host_memory_bytes"]

_REFRESH_NS: Final = 100_000_000
_CHANNELS: Final = (
    ChannelSpec(name="host/memory", domain="host", kind=ChannelKind.MEMORY, unit="B"),
    ChannelSpec(name="host/memory_peak", domain="host", kind=ChannelKind.MEMORY, unit="B"),
)


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
        self._peak_bytes = 0.0
        self.info = SensorInfo(
            name="memory:host",
            source=Provenance.MISSING,
            semantics=f"Resident memory of this process without its children, from {how}; the peak is the "
            "highest value that was seen.",
            refresh_s=_REFRESH_NS / 1e9,
        )

    def read(self) -> Sequence[Reading]:
        """Read resident memory and the highest value so far, in bytes."""
        resident_bytes = self._resident()
        self._peak_bytes = max(self._peak_bytes, resident_bytes)
        return (Reading("host/memory", resident_bytes), Reading("host/memory_peak", self._peak_bytes))

    def close(self) -> None:
        """Close the file."""
        self._close()
        self._close = _nothing

    def _choose(self, statm: Path) -> tuple[Callable[[], float], str]:
        try:
            descriptor = os.open(statm, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except OSError:
            return _resident_by_psutil(), "psutil"
        page_bytes = os.sysconf("SC_PAGE_SIZE")
        self._close = lambda: os.close(descriptor)

        def resident() -> float:
            return float(int(os.pread(descriptor, 64, 0).split(maxsplit=2)[1]) * page_bytes)

        return resident, str(statm)


def peak_host_memory_bytes() -> int | None:
    """Return the peak resident memory of this process since it started, or None where it is not told."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocatorMemory:
    """What torch's caching allocator holds on one device, in bytes."""

    allocated_bytes: int
    reserved_bytes: int
    peak_allocated_bytes: int
    peak_reserved_bytes: int


def allocator_memory(device: int | None = None) -> AllocatorMemory | None:
    """Return torch's own memory figures, without a sync and without importing torch.

    Args:
        device: the CUDA device's index in torch, or None for the current one.

    Returns:
        The figures, or None where torch is not loaded or CUDA is not in use.
    """
    torch: Any = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    if cuda is None or not cuda.is_initialized():
        return None
    return AllocatorMemory(
        allocated_bytes=cuda.memory_allocated(device),
        reserved_bytes=cuda.memory_reserved(device),
        peak_allocated_bytes=cuda.max_memory_allocated(device),
        peak_reserved_bytes=cuda.max_memory_reserved(device),
    )


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
