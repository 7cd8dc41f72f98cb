"""Running average power limit counters: energy of CPU packages and of DRAM, from the kernel's powercap tree.

Each package and each DRAM domain is a channel of its own; the energy of a domain is the sum of its channels.
Counters are microjoules, are renewed about every millisecond, and wrap at ``max_energy_range_uj``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from energyprof.errors import SensorError, SensorUnavailable
from energyprof.record.model import Provenance, SensorInfo
from energyprof.record.trace import ChannelKind
from energyprof.sensors.base import ChannelSpec, Reading

__all__ = ["GRANT", "POWERCAP", "RaplSensor", "RaplZone", "find_zones"]

POWERCAP: Final = Path("/sys/class/powercap")
GRANT: Final = (
    "grant it with `sudo chmod -R a+r /sys/class/powercap/intel-rapl*` until the next boot, for good with "
    "`echo 'm /sys/class/powercap/intel-rapl*/energy_uj 0444 root root' | sudo tee "
    "/etc/tmpfiles.d/energyprof-rapl.conf`"
)
_REFRESH_NS: Final = 1_000_000  # Intel SDM vol. 3B, 16.10.1: energy status is updated about every millisecond


@dataclass(frozen=True, slots=True, kw_only=True)
class RaplZone:
    """One counter of the powercap tree.

    Attributes:
        path: its folder.
        name: as the kernel names it: ``package-0``, ``dram``.
        domain: ``cpu`` or ``dram``.
        label: unique: ``package-0``, ``package-0-dram``.
        wrap_uj: the value at which it starts again from 0.
    """

    path: Path
    name: str
    domain: str
    label: str
    wrap_uj: int


def find_zones(root: Path = POWERCAP) -> tuple[RaplZone, ...]:
    """Return package and DRAM counters, each socket once, whether or not they may be read.

    The platform's (``psys``) and the cores' and graphics' counters are left out: they overlap with the
    package's. A socket that shows up twice (two control types over the same registers, such as MSR and MMIO)
    counts once.
    """
    zones: dict[str, RaplZone] = {}
    for path in sorted(root.glob("*rapl*:*")):
        name = _text(path / "name")
        if name.startswith("package"):
            label, domain = name, "cpu"
        elif name == "dram":
            label, domain = f"{_text(path.parent / 'name', _parent_name(root, path))}-dram", "dram"
        else:
            continue
        wrap = _text(path / "max_energy_range_uj", "0")
        zone = RaplZone(
            path=path, name=name, domain=domain, label=label, wrap_uj=int(wrap) if wrap.isdigit() else 0
        )
        zones.setdefault(label, zone)
    return tuple(zones[label] for label in sorted(zones))


class RaplSensor:
    """All readable package and DRAM counters of this host."""

    refresh_ns = _REFRESH_NS
    edges = False

    def __init__(self, zones: Sequence[RaplZone]) -> None:
        """Open the counters.

        Raises:
            SensorUnavailable: one is not there, or may not be read (says how to grant it).
        """
        self._counters: list[_Counter] = []
        try:
            for zone in zones:
                self._counters.append(_Counter(zone))
        except OSError as error:
            self.close()
            raise SensorUnavailable(_why(error)) from error
        self.channels = tuple(
            ChannelSpec(name=counter.channel, domain=counter.zone.domain, kind=ChannelKind.ENERGY, unit="J")
            for counter in self._counters
        )
        domains = tuple(sorted({zone.domain for zone in zones}))
        self.info = SensorInfo(
            name="rapl",
            domains=domains,
            source=Provenance.COUNTER,
            semantics=f"Hardware energy counters of {', '.join(zone.label for zone in zones)}: all that "
            "ran on these, other programs included; renewed about every millisecond.",
            refresh_s=_REFRESH_NS / 1e9,
            power_floor_w=0.0,
        )

    def read(self) -> Sequence[Reading]:
        """Read every counter, in joules since the first reading."""
        readings = [counter.read() for counter in self._counters]
        if all(reading.value != reading.value for reading in readings):
            raise SensorError(readings[0].reason or "no RAPL counter could be read")
        return readings

    def close(self) -> None:
        """Close the counters' files."""
        for counter in self._counters:
            counter.close()


class _Counter:
    """One counter: opened once, unwrapped."""

    def __init__(self, zone: RaplZone) -> None:
        self.zone = zone
        label = "" if zone.label in ("package-0", "package-0-dram") else f":{zone.label}"
        self.channel = f"{zone.domain}/energy{label}"
        self._descriptor: int | None = os.open(
            zone.path / "energy_uj", os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)
        )
        self._total_uj = 0
        try:
            self._last_uj = self._raw_uj()
        except (OSError, ValueError):
            self.close()
            raise

    def read(self) -> Reading:
        try:
            raw_uj = self._raw_uj()
        except (OSError, ValueError) as error:
            return Reading(self.channel, float("nan"), reason=f"{self.zone.label} could not be read: {error}")
        step_uj, self._last_uj = raw_uj - self._last_uj, raw_uj
        wrapped = (
            step_uj < 0 and self.zone.wrap_uj > 0 and step_uj + self.zone.wrap_uj < self.zone.wrap_uj / 2
        )
        if step_uj < 0 and not wrapped:
            reason = f"{self.zone.label} was reset: what it had counted since the reading before is lost"
            return Reading(self.channel, self._total_uj / 1e6, gap=True, reason=reason)
        self._total_uj += step_uj + (self.zone.wrap_uj if wrapped else 0)
        return Reading(self.channel, self._total_uj / 1e6)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _raw_uj(self) -> int:
        if self._descriptor is None:
            raise OSError("it is closed")
        return int(os.pread(self._descriptor, 32, 0))


def _parent_name(root: Path, path: Path) -> str:
    """Return the name of the package that a subdomain such as ``intel-rapl:0:2`` belongs to."""
    return _text(root / path.name.rpartition(":")[0] / "name", path.name)


def _text(path: Path, default: str = "") -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return default


def _why(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"the CPU's energy counters (RAPL) may be read by root only: {GRANT}"
    return f"the CPU's energy counters (RAPL) cannot be read: {error}"
