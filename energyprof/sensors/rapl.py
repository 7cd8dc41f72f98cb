"""Running average power limit (RAPL): energy counters of CPU packages and DRAM, from Linux's powercap tree.

Each package and each DRAM counter is a sensor of its own; a domain's energy is the sum over its sensors.
Counters are microjoules, are renewed about every millisecond, and wrap at ``max_energy_range_uj``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from energyprof.clock import Clock
from energyprof.errors import SensorError, SensorUnavailable
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Provenance, SensorInfo
from energyprof.sensors.base import ChannelSpec, Reading

__all__ = ["GRANT", "POWERCAP", "RaplSensor", "RaplZone", "find_zones", "open_zones"]

POWERCAP: Final = Path("/sys/class/powercap")
GRANT: Final = (
    "grant it with `sudo chmod -R a+r /sys/class/powercap/intel-rapl*` until the next boot, and for good "
    "with `echo 'm /sys/class/powercap/intel-rapl*/energy_uj 0444 root root' | sudo tee "
    "/etc/tmpfiles.d/energyprof-rapl.conf`"
)
_REFRESH_NS: Final = 1_000_000  # Intel SDM vol. 3B, "Package RAPL domain": updated about every millisecond
_LIMIT_MARGIN: Final = 1.2  # how far above its short-term limit a package is taken to go at most
_LONG_S: Final = 60.0  # without a reading: a program that was stopped
_LIKELY_MOST_W: Final = 1_000.0  # of a package or bank whose limit is not told
_UNSEEN: Final = (
    "nothing was read for so long that the energy counter may have wrapped more than once: what was drawn "
    "meanwhile is not known"
)
_MOST_W: Final = 5_000.0  # no package and no bank of memory draws as much: tells a wrap from a reset


@dataclass(frozen=True, slots=True, kw_only=True)
class RaplZone:
    """One counter of the powercap tree.

    Attributes:
        path: its folder.
        label: unique: ``package-0``, ``package-0-dram``.
        domain: ``cpu`` or ``dram``.
        wrap_uj: the value at which it starts again from 0, or 0 where that is not told.
        limit_w: the highest power limit that is set, or None.
    """

    path: Path
    label: str
    domain: str
    wrap_uj: int
    limit_w: float | None


def find_zones(root: Path = POWERCAP) -> tuple[RaplZone, ...]:
    """Return package and DRAM counters, each name once, whether or not they may be read.

    The platform's (``psys``) and the cores' and graphics' counters are left out: they overlap with the
    package's. A name that shows up twice is one counter behind two control types (MSR and MMIO).
    """
    zones: dict[str, RaplZone] = {}
    for path in sorted(root.glob("*rapl*:*")):
        name = _text(path / "name")
        if name.startswith("package"):
            label, domain = name, "cpu"
        elif name == "dram":
            label, domain = f"{_text(path.resolve().parent / 'name') or path.name}-dram", "dram"
        else:
            continue
        limits_uw = [_number(file) for file in path.glob("constraint_*_power_limit_uw")]
        zone = RaplZone(
            path=path,
            label=label,
            domain=domain,
            wrap_uj=_number(path / "max_energy_range_uj"),
            limit_w=max(limits_uw, default=0) / 1e6 or None,
        )
        zones.setdefault(label, zone)
    return tuple(zones[label] for label in sorted(zones))


def open_zones(
    zones: Sequence[RaplZone], clock: Clock, *, open_file: Callable[[Path], int] | None = None
) -> tuple[tuple[RaplSensor, ...], tuple[str, ...]]:
    """Open every counter that may be read, each socket once.

    Returns:
        The sensors, and what could not be read, with what to do about it.
    """
    sensors: list[RaplSensor] = []
    problems: list[str] = []
    for zone in zones:
        try:
            sensor = RaplSensor(zone, clock, open_file=open_file)
        except SensorUnavailable as error:
            problems.append(str(error))
            continue
        if any(sensor.mirrors(other) for other in sensors):
            sensor.close()
        else:
            sensors.append(sensor)
    return tuple(sensors), tuple(dict.fromkeys(problems))


class RaplSensor:
    """One counter: opened once, unwrapped."""

    refresh_ns = _REFRESH_NS
    edges = False

    def __init__(
        self, zone: RaplZone, clock: Clock, *, open_file: Callable[[Path], int] | None = None
    ) -> None:
        """Open the counter.

        Args:
            zone: which one.
            clock: the one clock: tells a wrap from a reset.
            open_file: opens a file for reading and returns its descriptor; None for the system's.

        Raises:
            SensorUnavailable: it is not there, or may not be read (says how to grant it).
        """
        self._zone, self._clock = zone, clock
        self._descriptor: int | None = None
        self._total_uj = 0
        try:
            self._descriptor = (open_file or _open)(zone.path / "energy_uj")
            self._last_uj = self._raw_uj()
        except (OSError, ValueError) as error:
            self.close()
            raise SensorUnavailable(_why(zone, error)) from error
        self._last_ns = clock.now_ns()
        channel = f"{zone.domain}/energy:{zone.label}"
        self.channels = (ChannelSpec(name=channel, domain=zone.domain, kind=ChannelKind.ENERGY, unit="J"),)
        self.info = SensorInfo(
            name=f"rapl:{zone.label}",
            domains=(zone.domain,),
            source=Provenance.COUNTER,
            semantics=f"The hardware's energy counter of {zone.label}, renewed about every millisecond: all "
            "that ran on it, other programs included.",
            refresh_s=_REFRESH_NS / 1e9,
            power_floor_w=0.0,
            power_ceiling_w=None if zone.limit_w is None else _LIMIT_MARGIN * zone.limit_w,
        )

    def read(self) -> Sequence[Reading]:
        """Read the counter, in joules since it was opened.

        Raises:
            SensorError: it could not be read.
        """
        return self.decode(self.capture()[1], self._clock.now_ns())

    def capture(self) -> tuple[object, Any]:
        """Read the kernel's figure; see :class:`.base.DeferringSensor`.

        Raises:
            SensorError: it could not be read.
        """
        try:
            return None, os.pread(-1 if self._descriptor is None else self._descriptor, 32, 0)
        except OSError as error:
            raise SensorError(f"{self._zone.label} could not be read: {error}") from error

    def decode(self, raw: Any, at_ns: int) -> Sequence[Reading]:
        """Understand what was captured.

        Raises:
            SensorError: it is no number.
        """
        try:
            raw_uj = int(raw)
        except ValueError as error:
            raise SensorError(f"{self._zone.label} could not be read: {error}") from error
        step_uj, span_s = raw_uj - self._last_uj, (at_ns - self._last_ns) / 1e9
        self._last_uj, self._last_ns = raw_uj, at_ns
        channel = self.channels[0].name
        if self._may_have_wrapped_twice(span_s):
            return (Reading(channel, self._total_uj / 1e6, gap=True, reason=_UNSEEN),)
        if step_uj < 0:
            step_uj += self._zone.wrap_uj
            if not 0 <= step_uj <= _MOST_W * (span_s + 1) * 1e6:
                reason = "the energy counter was reset: what it had counted since the reading before is lost"
                return (Reading(channel, self._total_uj / 1e6, gap=True, reason=reason),)
        self._total_uj += step_uj
        return (Reading(channel, self._total_uj / 1e6),)

    def close(self) -> None:
        """Close the counter's file; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def mirrors(self, other: RaplSensor) -> bool:
        """Tell whether this is another die's counter once more: its value never leaves the other's."""
        if self._zone.label.partition("-die-")[0] != other._zone.label.partition("-die-")[0]:
            return False
        try:
            before_uj, own_uj, after_uj = other._raw_uj(), self._raw_uj(), other._raw_uj()
        except (OSError, ValueError):
            return False
        return before_uj <= own_uj <= after_uj

    def _may_have_wrapped_twice(self, span_s: float) -> bool:
        most_w = self.info.power_ceiling_w or _LIKELY_MOST_W
        return span_s > _LONG_S and 0 < self._zone.wrap_uj < most_w * span_s * 1e6

    def _raw_uj(self) -> int:
        if self._descriptor is None:
            raise OSError("it is closed")
        return int(os.pread(self._descriptor, 32, 0))


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> int:
    text = _text(path)
    return int(text) if text.isdigit() else 0


def _why(zone: RaplZone, error: Exception) -> str:
    if isinstance(error, PermissionError):
        return f"the CPU's energy counters (RAPL) may be read by root only: {GRANT}"
    return f"the energy counter {zone.label} (RAPL) cannot be read: {error}"
