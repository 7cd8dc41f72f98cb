"""One device of the stand-in: its identity, its state and its true power, in the shared block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from energyprof.errors import UsageError
from energyprof.testing.cards import Card, SensorModel
from energyprof.testing.shared_block import MAX_MIG, MAX_PROCESSES, MAX_SEGMENTS, SharedBlock
from energyprof.testing.true_power import TruePower

if TYPE_CHECKING:
    from array import array

__all__ = ["DeviceProcess", "StandInDevice"]

_DRIVER_RESERVED_BYTES: Final = 600 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProcess:
    """A process on a device."""

    pid: int
    memory_bytes: int
    graphics: bool = False


class StandInDevice:
    """One device. Its attributes may be set at any time; the library sees them at its next call."""

    def __init__(self, shared: SharedBlock, index: int, card: Card) -> None:
        """Make it a card, idle, with a UUID that follows from its index."""
        self.index, self.card = index, card
        self._shared, self._block = shared, shared.block.devices[index]
        self._identify()
        self.sensor = card.sensor
        self.power_limit_w = card.power_limit_w
        self.set_state(busy=0.0, memory_busy=0.0, temperature_c=35, clock_mhz=210, memory_clock_mhz=405)
        self.power = TruePower.steady(card.idle_w)

    def _identify(self) -> None:
        block, card = self._block, self.card
        block.name, block.uuid = card.name.encode(), self.uuid.encode()
        block.serial = f"{1_000_000 + self.index}".encode()
        block.bus_id = f"00000000:{0x81 + self.index:02X}:00.0".encode()
        block.architecture, block.brand = card.architecture, card.brand
        block.capability_major, block.capability_minor = card.capability
        block.memory_total, block.memory_reserved = card.memory_bytes, _DRIVER_RESERVED_BYTES
        block.mig_mode = block.mig_pending = 0 if card.has_mig else -1
        block.module_extra_mw = block.memory_permille = -1
        block.default_limit_mw = block.maximum_limit_mw = round(card.power_limit_w * 1e3)
        block.minimum_limit_mw = block.default_limit_mw // 3
        block.maximum_clock_mhz[:] = (1980, 1980, 2619, 1545)
        block.persistence = 1

    @property
    def uuid(self) -> str:
        """Return the device's UUID."""
        return f"GPU-57a0d1e5-0000-4000-8000-{self.index:012x}"

    @property
    def mig_uuids(self) -> tuple[str, ...]:
        """Return the UUIDs of its MIG instances."""
        return tuple(self._block.mig_uuid[k].value.decode() for k in range(self._block.mig_count))

    @property
    def sensor(self) -> SensorModel:
        """Return how its sensors see its power."""
        return self._sensor

    @sensor.setter
    def sensor(self, model: SensorModel) -> None:
        if not 0 <= 2 * model.jitter_ns < model.refresh_ns:
            raise UsageError(f"a jitter of {model.jitter_ns} ns is not under half the refresh period")
        block = self._block.sensor
        for field in fields(model):
            value = getattr(model, field.name)
            if field.name.endswith("_w"):
                setattr(block, f"{field.name[:-2]}_mw", value * 1e3)
            else:
                setattr(block, field.name, value)
        self._sensor = model

    @property
    def power_limit_w(self) -> float:
        """Return the enforced power limit."""
        return float(self._block.limit_mw / 1e3)

    @power_limit_w.setter
    def power_limit_w(self, limit_w: float) -> None:
        self._block.limit_mw = round(limit_w * 1e3)

    @property
    def power(self) -> TruePower:
        """Return its true power."""
        return self._power

    @power.setter
    def power(self, power: TruePower) -> None:
        if len(power.start_ns) > MAX_SEGMENTS:
            raise UsageError(
                f"{len(power.start_ns)} segments are too many: the stand-in holds {MAX_SEGMENTS}"
            )
        schedule = self._block.schedule
        schedule.sequence += 1  # odd: the library waits
        flat = _interleave(power)
        self._shared.segment_view(self.index)[: len(flat)] = memoryview(flat)
        schedule.count, schedule.end_ns = len(power.start_ns), power.end_ns
        schedule.repeat_from = -1 if power.repeat_from is None else power.repeat_from
        schedule.before_mw = power.before_mw
        schedule.sequence += 1
        self._power = power

    def set_state(
        self,
        *,
        busy: float | None = None,
        memory_busy: float | None = None,
        temperature_c: int | None = None,
        clock_mhz: int | None = None,
        memory_clock_mhz: int | None = None,
        memory_used_bytes: int | None = None,
        clock_reasons: int | None = None,
    ) -> None:
        """Change what its state readings show; ``busy`` are fractions, ``clock_reasons`` NVML's bit mask."""
        block = self._block
        changes = {
            "busy_percent": None if busy is None else round(busy * 100),
            "memory_busy_percent": None if memory_busy is None else round(memory_busy * 100),
            "temperature_c": temperature_c,
            "memory_used": memory_used_bytes,
            "clock_reasons": clock_reasons,
        }
        for name, value in changes.items():
            if value is not None:
                setattr(block, name, value)
        if clock_mhz is not None:
            block.clock_mhz[0] = block.clock_mhz[1] = block.clock_mhz[3] = clock_mhz
        if memory_clock_mhz is not None:
            block.clock_mhz[2] = memory_clock_mhz

    def set_processes(self, processes: Sequence[DeviceProcess]) -> None:
        """Put processes on the device, instead of those that were there."""
        if len(processes) > MAX_PROCESSES:
            raise UsageError(f"{len(processes)} processes are too many: the stand-in holds {MAX_PROCESSES}")
        for slot, process in zip(self._block.processes, processes, strict=False):
            slot.pid, slot.memory_bytes, slot.graphics = process.pid, process.memory_bytes, process.graphics
        self._block.process_count = len(processes)

    def set_mig(self, count: int) -> None:
        """Partition the device into ``count`` MIG instances; 0 switches MIG off."""
        if not self.card.has_mig or count > MAX_MIG:
            raise UsageError(f"{self.card.name} cannot be cut into {count} MIG instances")
        block = self._block
        block.mig_mode = block.mig_pending = int(count > 0)
        block.mig_count, block.mig_memory = count, self.card.memory_bytes // max(count, 1)
        for k in range(count):
            block.mig_uuid[k].value = f"MIG-57a0d1e5-0000-4000-{0x9000 + k:04x}-{self.index:012x}".encode()

    def set_scopes(self, *, module_extra_w: float | None = None, memory_share: float | None = None) -> None:
        """Let power fields answer for the module (scope 1) and the memory (scope 2); None: not supported."""
        self._block.module_extra_mw = -1 if module_extra_w is None else round(module_extra_w * 1e3)
        self._block.memory_permille = -1 if memory_share is None else round(memory_share * 1e3)


def _interleave(power: TruePower) -> array[int]:
    from array import array

    rows = zip(power.start_ns, power.power_mw, power.cumulative_pj, strict=True)
    return array("q", (value for row in rows for value in row))
