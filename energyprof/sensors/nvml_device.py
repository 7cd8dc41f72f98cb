"""One NVIDIA device as the driver names it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from energyprof.errors import SensorLost
from energyprof.record.model import GpuInfo
from energyprof.sensors.architectures import PowerSensorTraits, traits_of
from energyprof.sensors.nvml_library import NvmlLibrary

__all__ = ["NvmlDevice", "count_devices", "device_of", "list_devices"]

_SM_CLOCK: Final = 1  # NVML_CLOCK_SM


@dataclass(frozen=True, slots=True, kw_only=True)
class NvmlDevice:
    """One device, whole.

    Attributes:
        handle: NVML's handle.
        bus_id: PCI bus id: the order of ``CUDA_DEVICE_ORDER=PCI_BUS_ID``.
        traits: its nominal power sensor.
        power_limit_w: the enforced limit, or None where the driver does not tell.
        application_clock_hz: the SM clock that was asked for, or None where the driver does not tell.
        mig: whether it is partitioned into MIG instances.
    """

    handle: Any
    name: str
    uuid: str
    bus_id: str
    traits: PowerSensorTraits
    memory_bytes: int | None
    power_limit_w: float | None
    driver: str | None
    mig: bool
    application_clock_hz: float | None = None

    def info(self, domain: str) -> GpuInfo:
        """Return the record's description of this device."""
        return GpuInfo(
            domain=domain,
            name=self.name,
            uuid=self.uuid,
            architecture=self.traits.architecture,
            memory_bytes=self.memory_bytes,
            power_limit_w=self.power_limit_w,
            application_clock_hz=self.application_clock_hz,
            driver=self.driver,
        )


def list_devices(library: NvmlLibrary) -> tuple[NvmlDevice, ...]:
    """Return all devices that answer, in PCI order (NVML's own); one that is lost is left out.

    Raises:
        SensorError: they cannot be listed.
    """
    devices = []
    for index in range(count_devices(library)):
        with suppress(SensorLost):
            handle = library.ask("nvmlDeviceGetHandleByIndex", index)
            if handle is not None:
                devices.append(device_of(library, handle))
    return tuple(sorted(devices, key=lambda device: device.bus_id))


def count_devices(library: NvmlLibrary) -> int:
    """Return how many devices the driver counts, those that do not answer included.

    Raises:
        SensorError: it does not tell.
    """
    count = library.ask("nvmlDeviceGetCount")
    return int(library.call("nvmlDeviceGetCount") if count is None else count)


def device_of(library: NvmlLibrary, handle: Any) -> NvmlDevice:
    """Describe the device of a handle; a MIG instance's handle gives the whole device it is part of."""
    if library.ask("nvmlDeviceIsMigDeviceHandle", handle):
        handle = library.call("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", handle)
    pci = library.ask("nvmlDeviceGetPciInfo", handle)
    memory = library.ask("nvmlDeviceGetMemoryInfo", handle)
    limit_mw = library.ask("nvmlDeviceGetEnforcedPowerLimit", handle)
    clock_mhz = library.ask("nvmlDeviceGetApplicationsClock", handle, _SM_CLOCK)
    mig_mode = library.ask("nvmlDeviceGetMigMode", handle)
    capability = library.ask("nvmlDeviceGetCudaComputeCapability", handle)
    return NvmlDevice(
        handle=handle,
        name=_text(library.ask("nvmlDeviceGetName", handle)) or "NVIDIA GPU",
        uuid=_text(library.ask("nvmlDeviceGetUUID", handle)),
        bus_id="" if pci is None else _text(pci.busId).upper(),
        traits=traits_of(
            library.ask("nvmlDeviceGetArchitecture", handle),
            None if capability is None else tuple(capability),
        ),
        memory_bytes=None if memory is None else int(memory.total),
        power_limit_w=limit_mw / 1e3 if limit_mw else None,  # some drivers tell 0 where there is none
        driver=_text(library.ask("nvmlSystemGetDriverVersion")) or None,
        mig=bool(mig_mode and mig_mode[0]),
        application_clock_hz=None if clock_mhz is None else clock_mhz * 1e6,
    )


def _text(value: Any) -> str:
    """Return what pynvml gives as text (bytes in older versions)."""
    if value is None:
        return ""
    return value.decode() if isinstance(value, bytes) else str(value)
