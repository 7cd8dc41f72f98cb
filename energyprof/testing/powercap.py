"""A powercap tree with known truth, laid out as Linux lays out ``/sys/class/powercap``.

The class folder holds one symbolic link for each zone, packages and their subdomains side by side, into a
tree in which subdomains lie inside their package.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from energyprof.clock import Clock
from energyprof.errors import UnknownName, UsageError
from energyprof.testing.true_power import TruePower

__all__ = ["FakePowercap", "PowercapZone"]

_PJ_PER_UJ: Final = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class PowercapZone:
    """One zone: where its files are, what it truly draws, and how its counter starts and wraps.

    Attributes:
        key: its folder's name: ``intel-rapl:0``, ``intel-rapl:0:2``.
        name: what its ``name`` file says: ``package-0``, ``dram``, ``psys``.
        path: its folder in the class folder.
    """

    key: str
    name: str
    path: Path
    power: TruePower
    start_ns: int
    start_uj: int
    range_uj: int


class FakePowercap:
    """A powercap tree in a folder; :meth:`advance` lets its counters catch up with the clock."""

    def __init__(self, folder: Path, clock: Clock, *, update_ns: int = 976_562) -> None:
        """Make an empty tree; its counters move in steps of ``update_ns`` (2^-10 s, as Intel's do)."""
        self.root = folder / "class" / "powercap"
        self.root.mkdir(parents=True)
        self._tree = folder / "devices" / "virtual" / "powercap"
        self._clock, self._update_ns = clock, update_ns
        self._zones: dict[str, PowercapZone] = {}
        self._forbidden: set[Path] = set()

    @property
    def zones(self) -> Mapping[str, PowercapZone]:
        """Return the zones by key."""
        return dict(self._zones)

    def add(
        self,
        name: str,
        power: TruePower | float,
        *,
        parent: str | None = None,
        control: str = "intel-rapl",
        start_uj: int = 0,
        range_uj: int = 262_143_328_850,
    ) -> PowercapZone:
        """Add a zone and return it.

        Args:
            name: ``package-0``, ``package-0-die-1``, ``psys``; in a parent ``core``, ``uncore``, ``dram``.
            power: what it truly draws; the same power and start show the same energy twice.
            parent: the key of the zone that it lies in.
            control: the control type: ``intel-rapl-mmio`` shows packages a second time.
            start_uj: what its counter shows now.
            range_uj: where its counter wraps to 0.
        """
        key = self._next_key(parent or control, parent is not None)
        within = self._tree / control if parent is None else (self.root / parent).resolve()
        (within / key).mkdir(parents=True)
        (self.root / key).symlink_to(os.path.relpath(within / key, self.root))
        truth = power if isinstance(power, TruePower) else TruePower.steady(power)
        zone = PowercapZone(
            key=key,
            name=name,
            path=self.root / key,
            power=truth,
            start_ns=self._clock.now_ns(),
            start_uj=start_uj,
            range_uj=range_uj,
        )
        self._zones[key] = zone
        for file, value in (("name", name), ("max_energy_range_uj", range_uj), ("enabled", 1)):
            (zone.path / file).write_text(f"{value}\n")
        self._write(zone)
        return zone

    def advance(self) -> None:
        """Let every counter show its energy by now."""
        for zone in self._zones.values():
            self._write(zone)

    def true_energy_j(self, key: str, t0_ns: int, t1_ns: int) -> float:
        """Return what a zone truly drew between two instants."""
        return self._zone(key).power.energy_j(t0_ns, t1_ns)

    def reset(self, key: str, to_uj: int = 0) -> None:
        """Let a counter begin again, as when its driver is loaded anew."""
        zone = self._zone(key)
        if not 0 <= to_uj < zone.range_uj:
            raise UsageError(f"a counter that wraps at {zone.range_uj} cannot start at {to_uj}")
        fields = {name: getattr(zone, name) for name in PowercapZone.__slots__}
        self._zones[key] = PowercapZone(**{**fields, "start_ns": self._clock.now_ns(), "start_uj": to_uj})

    def forbid(self, key: str) -> None:
        """Make a zone's counter unreadable; root may read everything, but not by :meth:`open_file`."""
        path = self._zone(key).path / "energy_uj"
        path.chmod(0o200)
        self._forbidden.add(path.resolve())

    def remove(self, key: str) -> None:
        """Take a zone's counter away, as when its driver is unloaded."""
        (self._zone(key).path / "energy_uj").unlink()
        del self._zones[key]

    def open_file(self, path: Path) -> int:
        """Open a file of the tree for reading, as a user without rights does, and return its descriptor.

        Raises:
            PermissionError: if :meth:`forbid` was called on its zone, whoever the user is.
        """
        if path.resolve() in self._forbidden:
            raise PermissionError(13, "Permission denied", str(path))
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def _next_key(self, within: str, is_child: bool) -> str:
        prefix, depth = f"{within}:", within.count(":") + 1
        taken = sum(key.startswith(prefix) and key.count(":") == depth for key in self._zones)
        if is_child and within not in self._zones:
            raise UnknownName("powercap zone", within, self._zones)
        return f"{prefix}{taken}"

    def _zone(self, key: str) -> PowercapZone:
        if key not in self._zones:
            raise UnknownName("powercap zone", key, self._zones)
        return self._zones[key]

    def _write(self, zone: PowercapZone) -> None:
        now_ns = self._clock.now_ns()
        shown_ns = max(zone.start_ns, now_ns - now_ns % self._update_ns)
        used_pj = zone.power.energy_pj(shown_ns) - zone.power.energy_pj(zone.start_ns)
        shown = f"{(zone.start_uj + used_pj // _PJ_PER_UJ) % zone.range_uj}\n".encode()
        _rewrite(zone.path / "energy_uj", shown)


def _rewrite(path: Path, content: bytes) -> None:
    """Change a file in place: whoever holds it open sees the change, as in the kernel's tree."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.pwrite(descriptor, content, 0)
        os.ftruncate(descriptor, len(content))
    finally:
        os.close(descriptor)
