"""State of one NVIDIA device: memory, utilisation, temperature, clocks, limits, other processes."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any, Final

from energyprof.errors import SensorError, SensorLost, SensorUnavailable
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Provenance, SensorInfo
from energyprof.sensors.base import ChannelSpec, Reading
from energyprof.sensors.nvml_device import NvmlDevice
from energyprof.sensors.nvml_library import DriverReloaded, NvmlLibrary
from energyprof.sensors.program import Program

__all__ = ["NvmlStateSensor"]

_REFRESH_NS: Final = 500_000_000
_SLOW_A_TURN: Final = 2
_INITIAL_PID_NAMESPACE: Final = "pid:[4026531836]"  # a constant of the Linux kernel (PROC_PID_INIT_INO)


class NvmlStateSensor:
    """Reads state at 2 Hz: memory and utilisation each time, temperature, clock and throttling every second.

    The power limit and other processes, which hardly ever change, are read every two seconds: the state of a
    device costs 8 calls a second at most.
    """

    refresh_ns = _REFRESH_NS
    edges = False

    def __init__(
        self, library: NvmlLibrary, device: NvmlDevice, domain: str, program: Program | None = None
    ) -> None:
        """Find out what the device tells; holds ``library`` until closed.

        Args:
            library: the opened library.
            device: which one.
            domain: its name in the record.
            program: whose processes are not others; None for this one.

        Raises:
            SensorUnavailable: it tells nothing.
            SensorLost: the GPU is gone.
        """
        self._program = program or Program.here()
        self._handle: Any = device.handle
        self._uuid = device.uuid
        self._stale = False
        self._library: NvmlLibrary | None = library.share()
        number = library.prepare_number
        quick: _Asked = {
            "memory": number("nvmlDeviceGetMemoryInfo", member="used", words=3, word=2, bits=64),
            "utilisation": number("nvmlDeviceGetUtilizationRates", member="gpu", words=2),
        }
        slow: _Asked = {
            "temperature": number("nvmlDeviceGetTemperature", 0),
            "sm_clock": number("nvmlDeviceGetClockInfo", 1),  # NVML_CLOCK_SM
            "throttle_reasons": number("nvmlDeviceGetCurrentClocksThrottleReasons", bits=64),
        }
        rare: _Asked = {
            "power_limit": number("nvmlDeviceGetEnforcedPowerLimit"),
            "other_processes": self._other_processes,
        }
        self._ask = {name: ask for name, ask in (quick | slow | rare).items() if self._answers(ask)}
        if not self._ask:
            self.close()
            raise SensorUnavailable(f"{device.name} tells nothing of its state")
        self._turns = cycle(_turns(*([n for n in group if n in self._ask] for group in (quick, slow, rare))))
        self._names = {name: f"{domain}/{name}" for name in self._ask}
        self._first = True
        self.channels = tuple(
            ChannelSpec(name=full, domain=domain, kind=_KINDS[name][0], unit=_KINDS[name][1])
            for name, full in self._names.items()
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
        return self.decode(self.capture()[1], 0)

    def capture(self) -> tuple[object, Any]:
        """Ask for what is next in turn (everything the first time); see :class:`.base.DeferringSensor`.

        Raises:
            SensorError: the driver is not back after a reload.
            SensorLost: the GPU is gone.
        """
        if self._library is None:
            raise SensorError("the sensor is closed")
        if self._stale:
            self._library.reopen()
            self._handle = self._library.call("nvmlDeviceGetHandleByUUID", self._uuid)
            self._stale = False
        turn = list(self._ask) if self._first else next(self._turns)
        self._first = False
        ask, handle = self._ask, self._handle
        answers: list[tuple[str, int | SensorError]] = []
        for name in turn:
            try:
                answers.append((name, ask[name](handle)))
            except SensorLost:
                raise
            except SensorError as error:
                self._stale = self._stale or isinstance(error, DriverReloaded)
                answers.append((name, error))
        return None, answers

    def decode(self, raw: Any, at_ns: int) -> Sequence[Reading]:
        """Understand what was captured.

        Raises:
            SensorError: nothing could be read that time.
        """
        readings = [self._reading(name, answer) for name, answer in raw]
        if all(math.isnan(reading.value) for reading in readings):
            raise SensorError(readings[0].reason or "no state could be read")
        return readings

    def close(self) -> None:
        """Give the library back; a second call does nothing."""
        library, self._library = self._library, None
        if library is not None:
            library.close()

    def _reading(self, name: str, answer: int | SensorError) -> Reading:
        if isinstance(answer, SensorError):
            return Reading(self._names[name], math.nan, reason=str(answer))
        return Reading(self._names[name], answer * _KINDS[name][2])

    def _answers(self, ask: Callable[[Any], int]) -> bool:
        for _ in range(5):  # a driver that is merely flaky is asked again
            try:
                ask(self._handle)
                return True
            except SensorUnavailable:
                return False
            except SensorLost:
                self.close()
                raise
            except SensorError:
                continue
        return False

    def _other_processes(self, handle: Any) -> int:
        """Count processes on the device that are not the program's, nor started by it."""
        if self._library is None:
            raise SensorError("the sensor is closed")
        running = self._library.call("nvmlDeviceGetComputeRunningProcesses", handle)
        listed = {process.pid for process in running}
        own = self._program.pid
        others = {pid for pid in listed if pid != own and not _descends(pid, own)}
        hidden = own not in listed and _in_container() and self._program.uses_cuda()
        return max(0, len(others) - hidden)  # in a container the program is listed by a foreign number


#: Kind, unit, and how much of it the driver's number 1 is.
_KINDS: Final = {
    "memory": (ChannelKind.MEMORY, "B", 1.0),
    "utilisation": (ChannelKind.UTILISATION, "1", 0.01),
    "temperature": (ChannelKind.TEMPERATURE, "degC", 1.0),
    "sm_clock": (ChannelKind.CLOCK, "Hz", 1e6),
    "throttle_reasons": (ChannelKind.STATE, "1", 1.0),
    "power_limit": (ChannelKind.STATE, "W", 1e-3),
    "other_processes": (ChannelKind.STATE, "1", 1.0),
}
_Asked = dict[str, Callable[[Any], int]]


def _turns(quick: Sequence[str], slow: Sequence[str], rare: Sequence[str]) -> list[list[str]]:
    """Return the rounds of reads: what is quick, and two of the others, one rare one after all slow ones."""
    queue = [name for last in rare for name in (*slow, last)] if rare else list(slow)
    size = len(queue)
    chosen = [
        [queue[(_SLOW_A_TURN * k + j) % size] for j in range(min(_SLOW_A_TURN, size))] for k in range(size)
    ]
    return [[*quick, *names] for names in chosen] or [list(quick)]


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
