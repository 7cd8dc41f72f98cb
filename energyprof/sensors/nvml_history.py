"""The driver's own log of power readings (``nvmlDeviceGetSamples``): every refresh, with its time.

Worth having where readings come faster than they can be polled and there is no counter to fall back on: a
Pascal card refreshes every 20 ms, and ten calls a second give all of its readings.
"""

from __future__ import annotations

from typing import Any, Final

from energyprof.clock import Clock
from energyprof.errors import SensorError
from energyprof.sensors.nvml_library import NvmlLibrary

__all__ = ["PowerHistory"]

_TOTAL_POWER_SAMPLES: Final = 0  # nvmlSamplingType_t
_NONE_NEW: Final = 6  # NVML_ERROR_NOT_FOUND
_NEWEST_NS: Final = (
    1_000_000_000  # an older newest entry belongs to another clock, or to a log that stands still
)
_FUTURE_US: Final = 5_000


class PowerHistory:
    """Reads the entries of a device's log that are new since the last reading."""

    def __init__(self, library: NvmlLibrary, clock: Clock) -> None:
        """Begin with the entries after now."""
        self._library, self._clock = library, clock
        self._seen_us = clock.wall_ns() // 1000

    def usable(self, handle: Any) -> bool:
        """Tell whether this device keeps a log, by the wall clock."""
        newest = self._library.ask("nvmlDeviceGetSamples", handle, _TOTAL_POWER_SAMPLES, 0)
        if newest is None or not newest[1]:
            return False
        age_ns = self._clock.wall_ns() - max(sample.timeStamp for sample in newest[1]) * 1000
        return bool(-_FUTURE_US * 1000 <= age_ns <= _NEWEST_NS)

    def read(self, handle: Any) -> list[tuple[int, int]]:
        """Return the new entries as (time in ns since the epoch, milliwatts), oldest first.

        Raises:
            SensorError: they could not be read.
        """
        now_us = self._clock.wall_ns() // 1000
        if self._seen_us > now_us + _FUTURE_US:  # the wall clock was set back
            self._seen_us = now_us
        try:
            _, samples = self._library.call(
                "nvmlDeviceGetSamples", handle, _TOTAL_POWER_SAMPLES, self._seen_us
            )
        except SensorError as error:
            if getattr(error.__cause__, "value", None) == _NONE_NEW:
                return []
            raise
        entries = sorted(
            {
                (sample.timeStamp, sample.sampleValue.uiVal)
                for sample in samples
                if self._seen_us < sample.timeStamp <= now_us + _FUTURE_US  # later: before it was set back
            }
        )
        if entries:
            self._seen_us = entries[-1][0]
        return [(stamp_us * 1000, power_mw) for stamp_us, power_mw in entries]
