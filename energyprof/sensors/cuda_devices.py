"""Which devices this program may use, in CUDA's order: ``CUDA_VISIBLE_DEVICES`` by index, UUID and MIG.

NVML lists devices in PCI order. CUDA does so with ``CUDA_DEVICE_ORDER=PCI_BUS_ID`` only; by default it puts
the fastest first, which for equal cards is PCI order again. Where torch runs on CUDA already it is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from energyprof.errors import SensorError
from energyprof.sensors.nvml_device import NvmlDevice, device_of
from energyprof.sensors.nvml_library import NvmlLibrary

__all__ = ["visible_devices"]

_NONE: Final = ("", "nodevfiles", "none", "void")


def visible_devices(
    library: NvmlLibrary,
    devices: Sequence[NvmlDevice],
    environment: Mapping[str, str],
    uuids: Sequence[str] | None = None,
) -> tuple[tuple[NvmlDevice, ...], tuple[str, ...]]:
    """Return the devices that this program may use, in CUDA's order, each once.

    Args:
        library: the opened library, to ask for MIG instances.
        devices: all devices, in PCI order.
        environment: ``CUDA_VISIBLE_DEVICES`` and ``CUDA_DEVICE_ORDER`` are looked at.
        uuids: what torch says of its devices, in its order, or None where it does not run on CUDA.

    Returns:
        The devices, and what a reader must know of the mapping, in words.
    """
    by_uuid = {device.uuid: device for device in devices}
    if uuids is not None and all(uuid in by_uuid for uuid in uuids):
        return tuple(by_uuid[uuid] for uuid in dict.fromkeys(uuids)), ()
    value = environment.get("CUDA_VISIBLE_DEVICES")
    if value is None:
        return tuple(devices), _order_note(devices, environment, numbered=len(devices) > 1)
    entries = [entry.strip() for entry in value.split(",")]
    if entries[0].lower() in _NONE:
        return (), ("CUDA_VISIBLE_DEVICES hides every GPU: none is measured; unset it to measure them",)
    found, notes = _resolve(library, devices, entries)
    numbered = any(entry.isdecimal() for entry in entries)
    return found, (*notes, *_order_note(devices, environment, numbered=numbered))


def _resolve(
    library: NvmlLibrary, devices: Sequence[NvmlDevice], entries: Sequence[str]
) -> tuple[tuple[NvmlDevice, ...], tuple[str, ...]]:
    """Look the entries up one by one; as in CUDA the first that names no device ends the list."""
    found: dict[str, NvmlDevice] = {}
    notes: list[str] = []
    for entry in entries:
        device = _resolve_one(library, devices, entry)
        if device is None:
            notes.append(
                f"CUDA_VISIBLE_DEVICES names '{entry}', which is no device here: CUDA ignores it and what "
                "follows it; `nvidia-smi -L` lists the devices"
            )
            break
        if entry.startswith("MIG-"):
            notes.append(
                f"{entry} is a MIG instance, which has no power sensor: the whole {device.name} is measured, "
                "its other instances included"
            )
        found.setdefault(device.uuid, device)
    return tuple(found.values()), tuple(notes)


def _resolve_one(library: NvmlLibrary, devices: Sequence[NvmlDevice], entry: str) -> NvmlDevice | None:
    if entry.isdecimal():
        return devices[int(entry)] if int(entry) < len(devices) else None
    if entry.startswith("MIG-"):
        return _parent_of_instance(library, devices, entry)
    matches = [device for device in devices if entry.startswith("GPU-") and device.uuid.startswith(entry)]
    return matches[0] if len(matches) == 1 else None


def _parent_of_instance(library: NvmlLibrary, devices: Sequence[NvmlDevice], entry: str) -> NvmlDevice | None:
    if entry.startswith("MIG-GPU-"):  # drivers before R470: MIG-GPU-<uuid>/<instance>/<compute instance>
        uuid = entry.removeprefix("MIG-").partition("/")[0]
        return next((device for device in devices if device.uuid == uuid), None)
    handle = library.ask("nvmlDeviceGetHandleByUUID", entry)
    if handle is None:
        return None
    try:
        parent = device_of(library, handle)
    except SensorError:
        return None
    return next((device for device in devices if device.uuid == parent.uuid), None)


def _order_note(
    devices: Sequence[NvmlDevice], environment: Mapping[str, str], *, numbered: bool
) -> tuple[str, ...]:
    """Warn where CUDA's numbers and PCI order can differ: cards of different kinds, fastest first."""
    mixed = len({device.name for device in devices}) > 1
    if not numbered or not mixed or environment.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID":
        return ()
    return (
        "GPUs of different kinds are numbered by PCI order here, while CUDA puts the fastest first: set "
        "CUDA_DEVICE_ORDER=PCI_BUS_ID, or choose GPUs by UUID, to be sure which one is measured",
    )
