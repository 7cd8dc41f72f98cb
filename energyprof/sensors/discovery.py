"""Which sensors this machine has for this program, and what to do to have more."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from energyprof.clock import Clock, SystemClock
from energyprof.errors import RecordError, SensorError, SensorUnavailable
from energyprof.record.model import GpuInfo
from energyprof.sensors.base import Sensor
from energyprof.sensors.calibration import Calibration, load_calibration, other_drivers
from energyprof.sensors.cpu_model import CpuModel
from energyprof.sensors.cuda_devices import visible_devices
from energyprof.sensors.memory import AllocatorMemory, HostMemory
from energyprof.sensors.nvml import NvmlSensor
from energyprof.sensors.nvml_device import NvmlDevice, count_devices, list_devices
from energyprof.sensors.nvml_library import NvmlLibrary
from energyprof.sensors.nvml_state import NvmlStateSensor
from energyprof.sensors.program import Program
from energyprof.sensors.ranks import Rank, rank_of
from energyprof.sensors.rapl import POWERCAP, find_zones, open_zones
from energyprof.sensors.visibility import Visibility, launcher_environment, visibility

__all__ = ["Discovery", "discover", "discover_memory"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """What was found.

    Attributes:
        sensors: ready to be read; whoever takes them closes them.
        gpus: the NVIDIA devices that are measured, ``gpu:0`` first.
        problems: what cannot be measured, why, and what to do about it: a sentence each.
    """

    sensors: tuple[Sensor, ...] = ()
    gpus: tuple[GpuInfo, ...] = ()
    problems: tuple[str, ...] = ()


def discover(
    clock: Clock | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    powercap: Path = POWERCAP,
    calibrations: Path | None = None,
    program: Program | None = None,
) -> Discovery:
    """Find every sensor of this machine that a program may read. Never raises, never imports torch.

    Args:
        clock: the one clock, or None for the machine's own.
        environment: the variables that choose devices and tell ranks, or None for this process's.
        powercap: the root of the kernel's powercap tree.
        calibrations: where calibrations are kept, or None for this user's own folder.
        program: the program that is measured, where it is another than this one: it has to find by itself
            what tells of its memory, see :func:`discover_memory`. None for this one.
    """
    clock = clock or SystemClock()
    environment = os.environ if environment is None else environment
    rank = rank_of(environment)
    search = _Search(clock, calibrations, rank, program or Program.here())
    search.gpus_of(environment)
    if rank is None or rank.counts_host:
        search.cpu_of(powercap)
    search.problems.extend(search.rank_notes)
    if program is None:
        search.memory([gpu.domain for gpu in search.gpus])
    return search.found()


def discover_memory(domains: Sequence[str]) -> Discovery:
    """Find what tells of this process's own memory, which nobody else can read. Never raises.

    Args:
        domains: of the GPUs that it may use.
    """
    search = _Search(SystemClock(), None, None, Program.here())
    search.memory(domains)
    return search.found()


class _Search:
    """What was found so far."""

    def __init__(self, clock: Clock, calibrations: Path | None, rank: Rank | None, program: Program) -> None:
        self._clock, self._calibrations, self._rank, self._program = clock, calibrations, rank, program
        self.rank_notes: Sequence[str] = () if rank is None else rank.notes(0)
        self.sensors: list[Sensor] = []
        self.gpus: list[GpuInfo] = []
        self.problems: list[str] = []

    def found(self) -> Discovery:
        return Discovery(sensors=tuple(self.sensors), gpus=tuple(self.gpus), problems=tuple(self.problems))

    def gpus_of(self, environment: Mapping[str, str]) -> None:
        try:
            library = NvmlLibrary.open()
        except SensorUnavailable as error:
            self.problems.append(str(error))
            return
        try:
            listed = list_devices(library)
            silent = count_devices(library) - len(listed)
            devices, notes = visible_devices(library, listed, environment, self._program.torch_uuids)
            self.problems.extend(notes)
            if silent > 0:
                self.problems.append(_silent_gpus(silent, silent + len(listed)))
            order = [listed.index(device) for device in devices]
            for index in self._share(order, silent + len(listed), environment):
                self._add_gpu(library, devices[index], f"gpu:{index}")
            if not devices and not notes and silent <= 0:
                self.problems.append("the NVIDIA driver shows no GPU: nothing is measured on a GPU")
        except SensorError as error:
            self.problems.append(f"NVIDIA GPUs cannot be listed: {error}; see `nvidia-smi`")
        finally:
            library.close()

    def _share(self, order: Sequence[int], total: int, environment: Mapping[str, str]) -> Sequence[int]:
        """Return which of the GPUs that this process sees are its rank's to record.

        Args:
            order: their positions among all of the node.
            total: how many there are.
            environment: see :func:`discover`.
        """
        rank, seen = self._rank, range(len(order))
        if rank is None:
            return seen
        shown = visibility(environment, launcher_environment(self._program.pid, environment))
        own = rank.owns(len(seen), total, shown)
        dealt = seen if shown is Visibility.SAME else sorted(seen, key=order.__getitem__)
        mine = [dealt[index] for index in rank.gpus(len(seen), own=own)]
        certain = shown is Visibility.SAME or len(seen) == total
        self.rank_notes = rank.notes(len(seen), mine, own=own, certain=certain)
        return mine

    def cpu_of(self, powercap: Path) -> None:
        zones = find_zones(powercap)
        counters, problems = open_zones(zones, self._clock)
        self.sensors.extend(counters)
        self.problems.extend(problems)
        domains = {domain for counter in counters for domain in counter.info.domains}
        if not zones and sys.platform == "linux":
            self.problems.append(
                "this machine shows no CPU energy counters (RAPL): usual in virtual machines and containers; "
                "on real hardware load them with `sudo modprobe intel_rapl_msr`"
            )
        if "cpu" not in domains:
            self._add_cpu_model()
        if "dram" not in domains:
            self.problems.append("energy of the main memory is not measured: no counter for it can be read")

    def memory(self, domains: Sequence[str]) -> None:
        try:
            self.sensors.append(HostMemory())
        except SensorUnavailable as error:
            self.problems.append(str(error))
        with suppress(SensorUnavailable):  # without torch, or without a GPU, there is none
            self.sensors.append(AllocatorMemory(domains))

    def _add_cpu_model(self) -> None:
        try:
            model = CpuModel(self._clock)
        except SensorUnavailable as error:
            self.problems.append(f"the CPU's energy is not known: {error}")
            return
        self.sensors.append(model)
        self.problems.append(
            f"the CPU's energy is not measured: it is estimated from utilisation and {model.power_w:g} W at "
            "full load"
        )

    def _calibration_of(self, device: NvmlDevice, domain: str) -> Calibration | None:
        """Return what was found out about a card under its present driver, or None."""
        driver = device.driver or "unknown"
        try:
            known = load_calibration(device.uuid, driver, self._calibrations)
        except RecordError as error:
            self.problems.append(str(error))
            return None
        if known is None and (others := other_drivers(device.uuid, driver, self._calibrations)):
            self.problems.append(
                f"{domain} ({device.name}) was calibrated under driver {', '.join(others)}, not under "
                f"{driver}: calibrate it anew with `energyprof calibrate`"
            )
        return known

    def _add_gpu(self, library: NvmlLibrary, device: NvmlDevice, domain: str) -> None:
        self.gpus.append(device.info(domain))
        try:
            known = self._calibration_of(device, domain)
            self.sensors.append(NvmlSensor(library, device, domain, self._clock, known))
        except SensorError as error:
            self.problems.append(f"{domain} ({device.name}): {error}: its energy is missing")
        with suppress(SensorError):  # its state is good to have, and its lack is no lack of energy
            self.sensors.append(NvmlStateSensor(library, device, domain, self._program))


def _silent_gpus(silent: int, count: int) -> str:
    return (
        f"{silent} of {count} NVIDIA GPUs gave no answer: what it draws is not measured, and the others are "
        "numbered without it; `nvidia-smi` shows which one, `dmesg` tells why (as an Xid)"
    )
