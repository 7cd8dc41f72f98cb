"""The block of memory that Python and the stand-in NVML library share: the mirror of ``nvml_stand_in.h``.

Powers are integer milliwatts, times integer nanoseconds, energies integer picojoules (their product): exact
on both sides.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from ctypes import c_char, c_double, c_int64
from pathlib import Path
from typing import ClassVar, Final

__all__ = [
    "MAX_DEVICES",
    "MAX_FAULTS",
    "MAX_MIG",
    "MAX_PROCESSES",
    "MAX_SEGMENTS",
    "Block",
    "DeviceBlock",
    "FaultBlock",
    "SegmentBlock",
    "SensorBlock",
    "SharedBlock",
]

_MAGIC: Final = 0x454E50524F463031
_NAME_BYTES: Final = 96
MAX_DEVICES: Final = 8
MAX_SEGMENTS: Final = 131072
MAX_FAULTS: Final = 64
MAX_PROCESSES: Final = 16
MAX_MIG: Final = 7
_MAX_FUNCTIONS: Final = 160

_Name = c_char * _NAME_BYTES
_Fields = list[tuple[str, type]]


def _integers(names: str) -> _Fields:
    return [(name, c_int64) for name in names.split()]


class SegmentBlock(ctypes.Structure):
    """A stretch of constant power."""

    _fields_: ClassVar[_Fields] = _integers("start_ns power_mw cumulative_pj")


class ScheduleBlock(ctypes.Structure):
    """How to read a device's segments."""

    _fields_: ClassVar[_Fields] = _integers("sequence count repeat_from end_ns before_mw")


class SensorBlock(ctypes.Structure):
    """How a device's sensors see its true power."""

    _fields_: ClassVar[_Fields] = [
        *_integers("refresh_ns phase_ns jitter_ns window_ns average_ns lag_ns"),
        *_integers("counter_ns counter_phase_ns counter_windowed counter_unit_mj counter_base_mj"),
        *_integers("sample_ns sample_ring usage_is_average has_fields stamp_at_call seed"),
        *[(name, c_double) for name in ("gain", "offset_mw", "noise_mw", "counter_gain")],
    ]


class ProcessBlock(ctypes.Structure):
    """A process on a device."""

    _fields_: ClassVar[_Fields] = _integers("pid memory_bytes graphics")


class DeviceBlock(ctypes.Structure):
    """One GPU."""

    _fields_: ClassVar[_Fields] = [
        *[(name, _Name) for name in ("name", "uuid", "serial", "bus_id")],
        ("mig_uuid", _Name * MAX_MIG),
        *_integers("architecture capability_major capability_minor brand"),
        *_integers("memory_total memory_reserved memory_used"),
        *_integers("limit_mw default_limit_mw minimum_limit_mw maximum_limit_mw"),
        *_integers("busy_percent memory_busy_percent temperature_c clock_reasons"),
        ("clock_mhz", c_int64 * 4),
        ("maximum_clock_mhz", c_int64 * 4),
        *_integers("performance_state persistence compute_mode mig_mode mig_pending mig_count mig_memory"),
        *_integers("module_extra_mw memory_permille process_count"),
        ("processes", ProcessBlock * MAX_PROCESSES),
        ("sensor", SensorBlock),
        ("schedule", ScheduleBlock),
    ]


class FaultBlock(ctypes.Structure):
    """Something that goes wrong in a stretch of time."""

    _fields_: ClassVar[_Fields] = [
        ("function", _Name),
        *_integers("kind device from_ns until_ns code delay_ns seed"),
        ("probability", c_double),
    ]


class CallBlock(ctypes.Structure):
    """How often one function was called, by device; the last count is of calls that name none."""

    _fields_: ClassVar[_Fields] = [("function", _Name), ("calls", c_int64 * (MAX_DEVICES + 1))]


class Block(ctypes.Structure):
    """All of it."""

    _fields_: ClassVar[_Fields] = [
        *_integers("magic bytes is_virtual now_ns wall_offset_ns boot_ns call_ns"),
        *_integers("device_count fault_count function_count function_lock"),
        ("driver_version", _Name),
        ("nvml_version", _Name),
        ("cuda_version", c_int64),
        ("devices", DeviceBlock * MAX_DEVICES),
        ("faults", FaultBlock * MAX_FAULTS),
        ("functions", CallBlock * _MAX_FUNCTIONS),
        ("segments", SegmentBlock * MAX_SEGMENTS * MAX_DEVICES),
    ]


class SharedBlock:
    """A block in a file, mapped. Most of the file is never touched and takes no room."""

    def __init__(self, path: Path) -> None:
        """Create the file (it must not exist) and map it."""
        self.path = path
        with open(path, "xb") as file:
            file.truncate(ctypes.sizeof(Block))
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._map = mmap.mmap(descriptor, ctypes.sizeof(Block))
        finally:
            os.close(descriptor)
        self.block = Block.from_buffer(self._map)
        self.block.magic, self.block.bytes = _MAGIC, ctypes.sizeof(Block)

    def now_cell(self) -> memoryview:
        """Return the virtual clock as a memory view of one int64: the quickest way to read and set it."""
        offset = Block.now_ns.offset
        return memoryview(self._map)[offset : offset + 8].cast("q")

    def segment_view(self, device: int) -> memoryview:
        """Return a device's segments as a flat int64 view: start, power, cumulative energy, start ..."""
        size = ctypes.sizeof(SegmentBlock) * MAX_SEGMENTS
        offset = Block.segments.offset + device * size
        return memoryview(self._map)[offset : offset + size].cast("q")

    def remove(self) -> None:
        """Remove the file; the memory goes with its last user."""
        self.path.unlink(missing_ok=True)
