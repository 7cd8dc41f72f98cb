"""The CPU's energy where no counter can be read: a model of utilisation and design power, marked estimated.

Power is ``TDP x (idle + (1 - idle) x utilisation)``, linear in utilisation as measured for servers by Fan,
Weber and Barroso ("Power provisioning for a warehouse-sized computer", ISCA 2007), with an idle share of 0.1,
CodeCarbon's lower end. Linear on purpose: the energy then does not depend on how often it is read.
Utilisation is that of the whole host, as in CodeCarbon's ``cpu_load`` mode.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from energyprof.clock import Clock
from energyprof.errors import SensorUnavailable
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Provenance, SensorInfo
from energyprof.sensors.base import ChannelSpec, Reading
from energyprof.sensors.cpu_power_table import DEFAULT_W_PER_THREAD, CpuPower, cpu_power

__all__ = ["IDLE_SHARE", "CpuModel", "HostCpu", "host_cpu"]

IDLE_SHARE: Final = 0.1
_TICK_NS: Final = 10_000_000  # /proc/stat counts in hundredths of a second
_CHANNELS: Final = (
    ChannelSpec(name="cpu/energy", domain="cpu", kind=ChannelKind.ENERGY, unit="J"),
    ChannelSpec(name="cpu/utilisation", domain="cpu", kind=ChannelKind.UTILISATION, unit="1"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCpu:
    """The CPU as this system shows it."""

    model: str | None
    sockets: int
    threads: int
    virtual: bool  # in a virtual machine: only part of the package may be visible


class CpuModel:
    """Cumulative energy of the host's CPU by the model of this module."""

    refresh_ns = _TICK_NS
    edges = False
    channels = _CHANNELS

    def __init__(
        self,
        clock: Clock,
        cpu: HostCpu | None = None,
        power: CpuPower | None = None,
        stat: Path = Path("/proc/stat"),
    ) -> None:
        """Prepare the model.

        Args:
            clock: the one clock.
            cpu: the CPU, or None for this host's.
            power: its design power, or None to look it up.
            stat: the kernel's CPU times; where it is not there psutil is asked.

        Raises:
            SensorUnavailable: utilisation cannot be read.
        """
        self._clock = clock
        cpu = cpu or host_cpu()
        self.power_w, basis = _host_power(cpu, power or cpu_power(cpu.model))
        self._close: Callable[[], None] = _nothing
        self._times = self._choose(stat)
        first = self._times()
        self._last = _parse_stat(first) if isinstance(first, bytes) else first
        self._last_ns = clock.now_ns()
        self._energy_j = self._utilisation = 0.0
        self.info = SensorInfo(
            name="cpu-model",
            domains=("cpu",),
            source=Provenance.ESTIMATED,
            semantics=f"Estimated, not measured: {self.power_w:g} W ({basis}) x ({IDLE_SHARE:g} + "
            f"{1 - IDLE_SHARE:g} x utilisation of the whole host, other programs included). Its range is "
            f"0 W to {self.power_w:g} W.",
            refresh_s=_TICK_NS / 1e9,
            power_floor_w=0.0,
            power_ceiling_w=self.power_w,
        )

    def read(self) -> Sequence[Reading]:
        """Read utilisation and add the energy since the reading before."""
        return self.decode(self.capture()[1], self._clock.now_ns())

    def capture(self) -> tuple[object, Any]:
        """Read the kernel's CPU times; see :class:`.base.DeferringSensor`."""
        return None, self._times()

    def decode(self, raw: Any, at_ns: int) -> Sequence[Reading]:
        """Add the energy up to a capture."""
        busy, total = _parse_stat(raw) if isinstance(raw, bytes) else raw
        if total > self._last[1]:  # else no tick has passed: go on with what was last seen
            share = (busy - self._last[0]) / (total - self._last[1])
            self._utilisation = min(max(share, 0.0), 1.0)
            self._last = (busy, total)
        power_w = self.power_w * (IDLE_SHARE + (1 - IDLE_SHARE) * self._utilisation)
        self._energy_j += power_w * (at_ns - self._last_ns) / 1e9
        self._last_ns = at_ns
        return (Reading("cpu/energy", self._energy_j), Reading("cpu/utilisation", self._utilisation))

    def close(self) -> None:
        """Close the kernel's file."""
        self._close()
        self._close = _nothing

    def _choose(self, stat: Path) -> Callable[[], bytes | tuple[float, float]]:
        try:
            descriptor = os.open(stat, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except OSError:
            return _times_by_psutil()
        self._close = lambda: os.close(descriptor)
        return lambda: os.pread(descriptor, 256, 0)


def host_cpu(cpuinfo: Path = Path("/proc/cpuinfo")) -> HostCpu:
    """Describe this host's CPU."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        import platform

        return HostCpu(
            model=platform.processor() or None, sockets=1, threads=os.cpu_count() or 1, virtual=False
        )
    fields: dict[str, set[str]] = {}
    threads = 0
    for line in text.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), set()).add(value.strip())
        threads += key.strip() == "processor"
    return HostCpu(
        model=next(iter(sorted(fields.get("model name", set()))), None),
        sockets=max(1, len(fields.get("physical id", set()))),
        threads=threads or os.cpu_count() or 1,
        virtual=any("hypervisor" in flags.split() for flags in fields.get("flags", set())),
    )


def _host_power(cpu: HostCpu, power: CpuPower) -> tuple[float, str]:
    """Return the power of all that is visible at full load, and where the figure is from, in words."""
    default_w = DEFAULT_W_PER_THREAD * cpu.threads
    name = cpu.model or "a CPU without a name"
    if power.tdp_w is None:
        per = f"{DEFAULT_W_PER_THREAD:g} W for each of {cpu.threads} threads"
        return default_w, f"{name} is not in the table of {power.table}: its default of {per}"
    tdp_w = power.tdp_w * cpu.sockets
    basis = f"TDP of {power.matched} in {power.table}" + (
        f", {cpu.sockets} sockets" if cpu.sockets > 1 else ""
    )
    if cpu.virtual and default_w < tdp_w:
        part = f"a virtual machine that shows {cpu.threads} of its threads: {DEFAULT_W_PER_THREAD:g} W each"
        return default_w, f"{name}, {part}, in place of the package's {tdp_w:g} W"
    return tdp_w, basis


def _parse_stat(text: bytes) -> tuple[float, float]:
    """Return busy and total ticks of all CPUs; waiting for I/O is idle, guests are in ``user`` already."""
    fields = [int(field) for field in text.split(b"\n", 1)[0].split()[1:9]]
    idle = fields[3] + fields[4]
    total = sum(fields)
    return float(total - idle), float(total)


def _times_by_psutil() -> Callable[[], tuple[float, float]]:
    try:
        import psutil

        psutil.cpu_times()
    except Exception as error:  # psutil's own errors differ by platform
        raise SensorUnavailable(f"CPU utilisation cannot be read: {error}") from error
    threads = os.cpu_count() or 1

    def times() -> tuple[float, float]:
        idle = psutil.cpu_times().idle
        total = time.perf_counter() * threads
        return total - idle, total

    return times


def _nothing() -> None:
    """Do nothing: there is nothing to close."""
