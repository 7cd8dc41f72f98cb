"""What this machine can measure: found by reading every sensor for a moment, shown for people or as JSON."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from energyprof.clock import Clock, SystemClock
from energyprof.errors import SensorError
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import GpuInfo, Provenance, SensorInfo
from energyprof.units import format_bytes, format_duration, format_power

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from energyprof.sensors.base import Sensor

__all__ = ["Diagnosis", "SensorCheck", "diagnose", "render_diagnosis"]

_SEES_ALL = 0.95
_TIMED_READINGS = 10
_SHOWN_DOMAINS = ("gpu", "cpu", "dram")
_UNMEASURED = {
    "gpu": "no NVIDIA GPU is measured",
    "cpu": "the CPU's energy is not known",
    "dram": "the memory's energy is not known, and not in any total",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorCheck:
    """One sensor, tried."""

    info: SensorInfo
    power_w: float | None  # over the trial, from its energy or power channels; None where it has none
    read_s: float | None  # CPU time of one reading
    seen_share: float = 1.0  # of the time, by what its energy rests on


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What a machine can measure."""

    cpu: str | None
    logical_cpus: int | None
    gpus: tuple[GpuInfo, ...]
    sensors: tuple[SensorCheck, ...]
    problems: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return asdict(self)


def diagnose(seconds: float = 1.0, clock: Clock | None = None) -> Diagnosis:
    """Find the sensors and read them for a while.

    Args:
        seconds: how long to read.
        clock: the clock, or None for the machine's own.
    """
    from energyprof.record.environment import collect_environment
    from energyprof.recording.sampler import Sampler
    from energyprof.sensors.discovery import discover

    clock = clock or SystemClock()
    found = discover(clock)
    start_ns = clock.now_ns()
    sampler = Sampler(found.sensors, clock, start_ns)
    while (now_ns := clock.now_ns()) < start_ns + seconds * 1e9:
        sampler.poll()
        clock.sleep_until_ns(min(max(sampler.next_due_ns(), now_ns), start_ns + round(seconds * 1e9)))
    sampler.finish()
    rows = sampler.drain()
    checks = []
    for sensor, info in zip(found.sensors, sampler.sensor_infos(), strict=True):
        statistics = sampler.statistics[info.name]
        good = statistics.readings - statistics.failures
        powers = [_power_w(rows, spec.name, str(spec.kind)) for spec in sensor.channels]
        checks.append(
            SensorCheck(
                info=info,
                power_w=next((power for power in powers if power is not None), None),
                read_s=_read_s(sensor) if good else None,
                seen_share=_seen_share(sensor),
            )
        )
        sensor.close()
    environment = collect_environment(found.gpus)
    trouble = tuple(f"{problem.sensor}: {problem.reason}" for problem in sampler.problems)
    return Diagnosis(
        cpu=environment.cpu,
        logical_cpus=environment.logical_cpus,
        gpus=found.gpus,
        sensors=tuple(checks),
        problems=found.problems + trouble,
    )


def _read_s(sensor: Sensor) -> float | None:
    """Return the CPU time of a reading, or None where it fails."""
    before_ns = time.thread_time_ns()
    try:
        for _ in range(_TIMED_READINGS):
            sensor.read()
    except SensorError:
        return None
    return (time.thread_time_ns() - before_ns) / 1e9 / _TIMED_READINGS


def render_diagnosis(diagnosis: Diagnosis) -> RenderableType:
    """Render a diagnosis: what is measured and how well, what is not, and what to do to have more."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 1, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("This machine", _machine(diagnosis))
    for kind in _SHOWN_DOMAINS:
        feeding = [c for c in diagnosis.sensors if any(d.split(":")[0] == kind for d in c.info.domains)]
        lines = [_sensor(kind, check) for check in feeding]
        missing = Text.assemble(("not measured", "red"), f": {_UNMEASURED[kind]}")
        table.add_row(kind.upper(), Group(*(lines or [missing])))
    others = [
        Text(f"{c.info.name}{_cost(c)}: {c.info.semantics}") for c in diagnosis.sensors if not c.info.domains
    ]
    if others:
        table.add_row("Also read", Group(*others))
    if diagnosis.problems:
        table.add_row("To have more", Group(*(Text(f"· {problem}") for problem in diagnosis.problems)))
    return table


def _machine(diagnosis: Diagnosis) -> str:
    lines = [f"{diagnosis.cpu or 'unknown CPU'}, {diagnosis.logical_cpus} threads"]
    for gpu in diagnosis.gpus:
        memory = format_bytes(gpu.memory_bytes) if gpu.memory_bytes else "memory unknown"
        limit = f", limit {format_power(gpu.power_limit_w)}" if gpu.power_limit_w else ""
        lines.append(f"{gpu.domain}: {gpu.name} ({memory}{limit}), driver {gpu.driver}")
    return "\n".join(lines)


def _sensor(kind: str, check: SensorCheck) -> Text:
    from rich.text import Text

    info = check.info
    colour = {Provenance.COUNTER: "green", Provenance.SAMPLED: "cyan"}.get(info.source, "yellow")
    power = "" if check.power_w is None else f", {format_power(check.power_w)} now"
    refresh = "" if info.refresh_s is None else f", a new value every {format_duration(info.refresh_s)}"
    text = Text.assemble((str(info.source), colour), f" by {info.name}{power}{refresh}{_cost(check)}")
    text.append(f"\n{info.semantics}")
    text.append(_precision(check))
    if info.calibration is None and kind == "gpu":
        text.append("\nNot calibrated: 'energyprof calibrate' measures refresh, window, lag and idle power.")
    return text


def _precision(check: SensorCheck) -> str:
    """Say how well a sensor knows the energy of a window."""
    info = check.info
    if not info.refresh_s or info.source is Provenance.ESTIMATED:
        return ""
    if check.seen_share < _SEES_ALL:
        return (
            f"\nIt sees {check.seen_share:.0%} of the time, and nothing counts the rest: a load that keeps "
            "step with it is known only within wide bounds, which a report tells. --dither breaks the step."
        )
    within = 1 if info.source is Provenance.COUNTER else 2
    return (
        f"\nWindows of {format_duration(info.refresh_s * 100)} and more are known within about {within} %; "
        "steps shorter than a refresh are modelled, with an interval."
    )


def _seen_share(sensor: Sensor) -> float:
    """Return the share of the time that a sensor sees: all of it for counters and long averages."""
    info, kinds = sensor.info, {spec.kind for spec in sensor.channels}
    if kinds & {ChannelKind.ENERGY, ChannelKind.POWER_AVERAGE} or not (info.window_s and info.refresh_s):
        return 1.0
    return min(1.0, info.window_s / info.refresh_s)


def _cost(check: SensorCheck) -> str:
    return "" if check.read_s is None else f", {format_duration(check.read_s)} a reading"


def _power_w(rows: Any, channel: str, kind: str) -> float | None:
    """Return the mean power that a channel's rows tell of, or None where it tells of none."""
    if channel not in rows.channels or kind not in ("energy", "power_instant", "power_average"):
        return None
    mine = (rows.channel == rows.channels.index(channel)) & ~rows.gap
    values, times = rows.value[mine], rows.t_ns[mine]
    if values.size == 0:
        return None
    if kind != "energy":
        return float(values.mean())
    values, times = values[1:], times[1:]  # when the first value came about is not known
    if values.size < 2:
        return None
    return float((values[-1] - values[0]) / (times[-1] - times[0]) * 1e9)
