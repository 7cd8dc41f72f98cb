"""The cards that the stand-in can be, and what their sensors make of true power.

Refresh and window by architecture are from Yang, Adamek and Armour, "Part-time Power Measurements:
nvidia-smi's Lack of Attention" (SC24, 70 cards); which fields and counters an architecture has, and whether
``nvmlDeviceGetPowerUsage`` is a 1 s average, from the NVML API reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

__all__ = ["CARDS", "Card", "SensorModel"]

_MS: Final = 1_000_000
_GIB: Final = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorModel:
    """How a card's sensors see its true power.

    At refresh ``k``, time ``phase_ns + k * refresh_ns`` (moved by at most ``jitter_ns``), the instant reading
    becomes ``gain * mean power over the last window_ns + offset_w + noise``, all of it ``lag_ns`` late.

    Attributes:
        refresh_ns: time between refreshes of power.
        window_ns: what an instant reading averages over.
        average_ns: what field 185 averages over; 0 where the card has no such field.
        noise_w: standard deviation of a power reading, drawn anew each refresh from ``seed``.
        counter_ns: time between steps of the energy counter; 0 where there is none.
        counter_windowed: True where the counter sums only what the instant windows see.
        counter_unit_mj: the counter's resolution.
        counter_gain: the counter's own gain: anything but 1 opens a gap between counter and power.
        sample_ns: time between the entries of ``nvmlDeviceGetSamples``; 0 where it is not supported.
        sample_ring: how many of them are kept.
        usage_is_average: True where ``nvmlDeviceGetPowerUsage`` is the 1 s average.
        has_fields: False where ``nvmlDeviceGetFieldValues`` is not supported at all.
        stamp_at_call: True where a field's time stamp is the time of the call and not of the refresh.
    """

    refresh_ns: int = 100 * _MS
    phase_ns: int = 0
    jitter_ns: int = 0
    window_ns: int = 100 * _MS
    average_ns: int = 0
    lag_ns: int = 0
    gain: float = 1.0
    offset_w: float = 0.0
    noise_w: float = 0.0
    counter_ns: int = 100 * _MS
    counter_phase_ns: int = 0
    counter_windowed: bool = False
    counter_unit_mj: int = 1
    counter_base_mj: int = 1_234_567
    counter_gain: float = 1.0
    sample_ns: int = 100 * _MS
    sample_ring: int = 120
    usage_is_average: bool = False
    has_fields: bool = True
    stamp_at_call: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One kind of GPU.

    Attributes:
        architecture: NVML's number: 4 Pascal, 5 Volta, 6 Turing, 7 Ampere, 8 Ada, 9 Hopper.
        brand: NVML's number: 2 Tesla, 5 GeForce, 14 NVIDIA.
        idle_w: what it draws with nothing to do.
        has_mig: True where it can be partitioned.
    """

    name: str
    architecture: int
    capability: tuple[int, int]
    brand: int
    memory_bytes: int
    power_limit_w: float
    idle_w: float
    has_mig: bool = False
    sensor: SensorModel

    def with_sensor(self, **changes: object) -> Card:
        """Return the card with some of its sensor's attributes changed."""
        return replace(self, sensor=replace(self.sensor, **changes))  # type: ignore[arg-type]


_PART_TIME: Final = SensorModel(window_ns=25 * _MS)
_FAST: Final = SensorModel(refresh_ns=20 * _MS, window_ns=10 * _MS, counter_ns=20 * _MS, sample_ns=20 * _MS)
_AVERAGED: Final = SensorModel(average_ns=1000 * _MS, usage_is_average=True)

CARDS: Final[Mapping[str, Card]] = MappingProxyType(
    {
        "hopper": Card(
            name="NVIDIA H100 80GB HBM3",
            architecture=9,
            capability=(9, 0),
            brand=14,
            memory_bytes=80 * _GIB,
            power_limit_w=700,
            idle_w=70,
            has_mig=True,
            sensor=replace(_AVERAGED, window_ns=25 * _MS),
        ),
        "a100": Card(
            name="NVIDIA A100-SXM4-80GB",
            architecture=7,
            capability=(8, 0),
            brand=14,
            memory_bytes=80 * _GIB,
            power_limit_w=400,
            idle_w=55,
            has_mig=True,
            sensor=_PART_TIME,
        ),
        "ampere": Card(
            name="NVIDIA GeForce RTX 3090",
            architecture=7,
            capability=(8, 6),
            brand=5,
            memory_bytes=24 * _GIB,
            power_limit_w=350,
            idle_w=25,
            sensor=_AVERAGED,
        ),
        "ada": Card(
            name="NVIDIA GeForce RTX 4090",
            architecture=8,
            capability=(8, 9),
            brand=5,
            memory_bytes=24 * _GIB,
            power_limit_w=450,
            idle_w=20,
            sensor=_AVERAGED,
        ),
        "turing": Card(
            name="NVIDIA TITAN RTX",
            architecture=6,
            capability=(7, 5),
            brand=6,
            memory_bytes=24 * _GIB,
            power_limit_w=280,
            idle_w=20,
            sensor=SensorModel(),
        ),
        "volta": Card(
            name="Tesla V100-SXM2-32GB",
            architecture=5,
            capability=(7, 0),
            brand=2,
            memory_bytes=32 * _GIB,
            power_limit_w=300,
            idle_w=40,
            sensor=_FAST,
        ),
        "pascal": Card(
            name="Tesla P100-SXM2-16GB",
            architecture=4,
            capability=(6, 0),
            brand=2,
            memory_bytes=16 * _GIB,
            power_limit_w=300,
            idle_w=30,
            sensor=replace(_FAST, counter_ns=0),
        ),
    }
)
