"""State of one NVIDIA device: memory, utilisation, temperature, clocks, limits, other processes."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any, Final

from energyprof.errors import SensorError, SensorLost, SensorUnavailable
from energyprof.record.model import Provenance, SensorInfo
from energyprof.record.trace import ChannelKind
from energyprof.sensors.base import ChannelSpec, Reading
from energyprof.sensors.nvml_device import NvmlDevice
from energyprof.sensors.nvml_library import DriverReloaded, NvmlLibrary

__all__ = ["NvmlStateSensor"]

_REFRESH_NS: Final = 250_000_000
_INITIAL_PID_NAMESPACE: Final = "pid:[4026531836]"  # a constant of the Linux kernel (PROC_PID_INIT_INO)


class NvmlStateSensor:
    """Reads state at 4 Hz, spread out: memory and utilisation at 2 Hz, each other value every 1.25 s.

    So that the state of a device costs 8 calls a second, whatever it tells.
    """

    refresh_ns = _REFRESH_NS
    edges = False

    def __init__(self, library: NvmlLibrary, device: NvmlDevice, domain: str) -> None:
        """Find out what the device tells; holds ``library`` until closed.

        Raises:
            SensorUnavailable: it tells nothing.
            SensorLost: the GPU is gone.
        """
        self._handle: Any = device.handle
        self._uuid = device.uuid
        self._stale = False
        self._library: NvmlLibrary | None = library.share()
        quick = (("memory", self._memory), ("utilisation", self._utilisation))
        slow = (
            ("temperature", self._temperature),
            ("sm_clock", self._clock),
            ("throttle_reasons", self._throttle_reasons),
            ("power_limit", self._power_limit),
            ("other_processes", self._other_processes),
        )
        supported_quick = [(f"{domain}/{name}", get) for name, get in quick if self._answers(get)]
        supported_slow = [(f"{domain}/{name}", get) for name, get in slow if self._answers(get)]
        if not supported_quick and not supported_slow:
            self.close()
            raise SensorUnavailable(f"{device.name} tells nothing of its state")
        self._everything = [*supported_quick, *supported_slow]
        self._turns = cycle(_turns(supported_quick, supported_slow))
        self._first = True
        self.channels = tuple(
            ChannelSpec(name=name, domain=domain, kind=_KINDS[key][0], unit=_KINDS[key][1])
            for name, _ in self._everything
            for key in (name.rpartition("/")[2],)
        )
        self.info = SensorInfo(
            name=f"nvml-state:{domain}",
            source=Provenance.MISSING,
            semantics="State as the driver shows it; memory and other processes are those of the whole card.",
            refresh_s=_REFRESH_NS / 1e9,
        )

    def read(self) -> Sequence[Reading]:
        """Read what is next in turn (everything the first time).

        Raises:
            SensorError: nothing could be read this time.
            SensorLost: the GPU is gone.
        """
        if self._library is None:
            raise SensorError("the sensor is closed")
        if self._stale:
            self._library.reopen()
            self._handle = self._library.call("nvmlDeviceGetHandleByUUID", self._uuid)
            self._stale = False
        turn = self._everything if self._first else next(self._turns)
        readings = [self._read_one(name, get) for name, get in turn]
        self._first = False
        if all(math.isnan(reading.value) for reading in readings):
            raise SensorError(readings[0].reason or "no state could be read")
        return readings

    def close(self) -> None:
        """Give the library back; a second call does nothing."""
        library, self._library = self._library, None
        if library is not None:
            library.close()

    def _read_one(self, name: str, get: Callable[[], float]) -> Reading:
        try:
            return Reading(name, get())
        except SensorLost:
            raise
        except SensorError as error:
            self._stale = self._stale or isinstance(error, DriverReloaded)
            return Reading(name, math.nan, reason=str(error))

    def _answers(self, get: Callable[[], float]) -> bool:
        for _ in range(5):  # a driver that is merely flaky is asked again
            try:
                get()
                return True
            except SensorUnavailable:
                return False
            except SensorLost:
                self.close()
                raise
            except SensorError:
                continue
        return False

    def _call(self, function: str, *arguments: object) -> Any:
        if self._library is None:
            raise SensorError("the sensor is closed")
        return self._library.call(function, self._handle, *arguments)

    def _memory(self) -> float:
        return float(self._call("nvmlDeviceGetMemoryInfo").used)

    def _utilisation(self) -> float:
        return float(self._call("nvmlDeviceGetUtilizationRates").gpu) / 100

    def _temperature(self) -> float:
        return float(self._call("nvmlDeviceGetTemperature", 0))

    def _clock(self) -> float:
        return float(self._call("nvmlDeviceGetClockInfo", 1)) * 1e6  # NVML_CLOCK_SM

    def _throttle_reasons(self) -> float:
        return float(self._call("nvmlDeviceGetCurrentClocksThrottleReasons"))

    def _power_limit(self) -> float:
        return float(self._call("nvmlDeviceGetEnforcedPowerLimit")) / 1e3

    def _other_processes(self) -> float:
        """Count processes on the device that are not this one, nor started by it."""
        listed = {process.pid for process in self._call("nvmlDeviceGetComputeRunningProcesses")}
        own = os.getpid()
        others = {pid for pid in listed if pid != own and not _descends(pid, own)}
        hidden = own not in listed and _in_container() and _uses_cuda()
        return float(
            max(0, len(others) - hidden)
        )  # in a container this process is listed by a foreign number


_KINDS: Final = {
    "memory": (ChannelKind.MEMORY, "B"),
    "utilisation": (ChannelKind.UTILISATION, "1"),
    "temperature": (ChannelKind.TEMPERATURE, "degC"),
    "sm_clock": (ChannelKind.CLOCK, "Hz"),
    "throttle_reasons": (ChannelKind.STATE, "1"),
    "power_limit": (ChannelKind.STATE, "W"),
    "other_processes": (ChannelKind.STATE, "1"),
}
_Getter = tuple[str, Callable[[], float]]


def _turns(quick: Sequence[_Getter], slow: Sequence[_Getter]) -> list[list[_Getter]]:
    """Return the rounds of reads: one quick and one slow value in each."""
    rounds = math.lcm(max(len(quick), 1), max(len(slow), 1))
    return [[group[k % len(group)] for group in (quick, slow) if group] for k in range(rounds)]


def _descends(pid: int, ancestor: int) -> bool:
    """Tell whether a process was started by another, directly or not (False where that cannot be told)."""
    for _ in range(32):
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                pid = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return False
        if pid == ancestor:
            return True
    return False


def _in_container() -> bool:
    try:
        return os.readlink("/proc/self/ns/pid") != _INITIAL_PID_NAMESPACE
    except OSError:
        return False


def _uses_cuda() -> bool:
    torch: Any = sys.modules.get("torch")
    return torch is not None and hasattr(torch, "cuda") and bool(torch.cuda.is_initialized())
