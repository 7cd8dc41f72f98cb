"""What the power sensors of NVIDIA's architectures do: refresh, averaging window, meaning of a reading.

Refresh and window: Yang, Adamek and Armour, "Part-time Power Measurements: nvidia-smi's Lack of Attention"
(SC24, 70 cards; single cards differ: 17 to 25 ms windows, 80 to 109 ms periods). The 1 s average behind
``nvmlDeviceGetPowerUsage`` on Ampere (GA100 excepted) and newer, and the energy counter from Volta on: NVML
API reference, ``nvmlDeviceGetPowerUsage`` and ``nvmlDeviceGetTotalEnergyConsumption``. For Blackwell and
later no study is known to us: their period is the nominal 100 ms and their window is not known until
calibrated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["PowerSensorTraits", "traits_of"]

_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerSensorTraits:
    """The nominal power sensor of one architecture.

    Attributes:
        architecture: its name.
        refresh_ns: time between changes of a reading.
        window_ns: what an instant reading averages, or None where it is not known.
        usage_is_average: whether ``nvmlDeviceGetPowerUsage`` is an average over 1 s.
    """

    architecture: str
    refresh_ns: int
    window_ns: int | None
    usage_is_average: bool

    @property
    def seen_share(self) -> float | None:
        """Return the share of time that instant readings see, or None where it is not known."""
        return None if self.window_ns is None else min(1.0, self.window_ns / self.refresh_ns)


def _traits(name: str, refresh_ms: int, window_ms: int | None, *, average: bool) -> PowerSensorTraits:
    return PowerSensorTraits(
        architecture=name,
        refresh_ns=refresh_ms * _MS,
        window_ns=None if window_ms is None else window_ms * _MS,
        usage_is_average=average,
    )


_GA100: Final = _traits("Ampere (GA100)", 100, 25, average=False)

#: by NVML's number, ``NVML_DEVICE_ARCH_*``
_TABLE: Final = {
    2: _traits("Kepler", 100, None, average=False),
    3: _traits("Maxwell", 100, None, average=False),
    4: _traits("Pascal", 20, 10, average=False),
    5: _traits("Volta", 20, 10, average=False),
    6: _traits("Turing", 100, 100, average=False),
    7: _traits("Ampere", 100, 100, average=True),
    8: _traits("Ada", 100, 100, average=True),
    9: _traits("Hopper", 100, 25, average=True),
    10: _traits("Blackwell", 100, None, average=True),
    13: _traits("Rubin", 100, None, average=True),
}
_UNKNOWN: Final = _traits("unknown architecture", 100, None, average=True)
_GA100_CAPABILITY: Final = (8, 0)


def traits_of(architecture: int | None, capability: tuple[int, int] | None) -> PowerSensorTraits:
    """Return the nominal power sensor of a device.

    Args:
        architecture: NVML's number, or None where the driver does not tell.
        capability: CUDA compute capability: 8.0 tells the GA100 from its kin.
    """
    if capability == _GA100_CAPABILITY:
        return _GA100
    if architecture is None:
        return _UNKNOWN
    return _TABLE.get(architecture, _UNKNOWN)
