"""Domains: which sensors feed which, and the energy curve of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from energyprof.analysis.arrays import NS, seconds
from energyprof.analysis.counter import CounterReadings, counter_readings, counter_refreshes
from energyprof.analysis.edge_times import EdgeTimes
from energyprof.analysis.energy_curve import EnergyCurve, SensorCurve, sensor_curve
from energyprof.analysis.power_curve import PowerCurve, power_curve
from energyprof.analysis.power_refreshes import model_refreshes, power_refreshes
from energyprof.analysis.refreshes import PowerRange
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Provenance, SensorInfo
from energyprof.record.trace import Channel, Trace

__all__ = ["domain_kind", "energy_curve", "energy_curves", "energy_domains", "power_limits", "worst"]


AVERAGE_WINDOW_S: Final = 1.0  # what NVML's average power (field 185) averages
_HARDWARE: Final = ("nvml", "rapl")  # sensors that read hardware; any other may be a model
_ENERGY: Final = (ChannelKind.ENERGY, ChannelKind.POWER_INSTANT, ChannelKind.POWER_AVERAGE)
_ORDER: Final = tuple(Provenance)


def worst(sources: Iterable[Provenance]) -> Provenance:
    """Return the worst of some provenances: what their sum carries; ``missing`` where there are none."""
    return max(sources, key=_ORDER.index, default=Provenance.MISSING)


def domain_kind(domain: str) -> str:
    """Return what kind of domain it is: ``gpu`` for ``gpu:1``."""
    return domain.partition(":")[0]


def energy_domains(channels: Iterable[Channel], sensors: Iterable[SensorInfo]) -> tuple[str, ...]:
    """Return the domains whose energy is or should be known: GPUs first, then CPU, memory, the rest."""
    found = {c.domain for c in channels if c.kind in _ENERGY} | {d for s in sensors for d in s.domains}
    rank = {"gpu": 0, "cpu": 1, "dram": 2}

    def order(domain: str) -> tuple[int, str, int]:
        kind, _, index = domain.partition(":")
        return rank.get(kind, 3), kind, int(index) if index.isdigit() else 0

    return tuple(sorted(found, key=order))


def energy_curves(trace: Trace, sensors: Sequence[SensorInfo]) -> dict[str, EnergyCurve | None]:
    """Return the curve of every energy domain, None where nothing usable was read."""
    domains = energy_domains(trace.channels, sensors)
    return {domain: energy_curve(domain, trace, sensors) for domain in domains}


def energy_curve(domain: str, trace: Trace, sensors: Sequence[SensorInfo]) -> EnergyCurve | None:
    """Build the curve of a domain from the best sensors that were read for it, or None.

    Counters go before power readings, and these before models. Several sensors of the best sort are parts of
    the domain and add up (the packages of a host).
    """
    span = (0.0, max(trace.duration_ns, trace.window_ns[1]) * NS)
    sources = _sources([c for c in trace.channels if c.domain == domain], sensors)
    for wanted in (Provenance.COUNTER, Provenance.SAMPLED, Provenance.ESTIMATED):
        built = [_part(source, wanted, span) for source in sources]
        parts = tuple(part for part in built if part is not None)
        if parts:
            return EnergyCurve(domain=domain, source=wanted, parts=parts)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """The channels of one sensor in one domain, or one of several counters of a sensor."""

    info: SensorInfo
    energy: Channel | None
    instant: Channel | None
    average: Channel | None


def _sources(channels: Sequence[Channel], sensors: Sequence[SensorInfo]) -> list[_Source]:
    known = {sensor.name: sensor for sensor in sensors}
    grouped: dict[str, list[Channel]] = {}
    for channel in channels:
        if channel.kind in _ENERGY and len(channel.value):
            grouped.setdefault(channel.sensor, []).append(channel)
    sources: list[_Source] = []
    for name, group in grouped.items():
        info = known.get(name) or _unknown_sensor(name, group)
        counters: list[Channel | None] = [c for c in group if c.kind is ChannelKind.ENERGY]
        instant = next((c for c in group if c.kind is ChannelKind.POWER_INSTANT), None)
        average = next((c for c in group if c.kind is ChannelKind.POWER_AVERAGE), None)
        alone = len(counters) <= 1
        sources.extend(
            _Source(
                info=info, energy=c, instant=instant if alone else None, average=average if alone else None
            )
            for c in (counters or [None])
        )
    return sources


def _unknown_sensor(name: str, group: Sequence[Channel]) -> SensorInfo:
    """Stand in for a sensor whose description is lost with the report: measured only if its name says so."""
    counter = any(c.kind is ChannelKind.ENERGY for c in group)
    source = Provenance.COUNTER if counter else Provenance.SAMPLED
    if name.partition(":")[0] not in _HARDWARE:
        source = Provenance.ESTIMATED
    return SensorInfo(name=name, source=source, semantics="not described in the report")


def _part(source: _Source, wanted: Provenance, span: tuple[float, float]) -> SensorCurve | None:
    estimated = source.info.source is Provenance.ESTIMATED
    if estimated != (wanted is Provenance.ESTIMATED):
        return None
    if wanted is Provenance.COUNTER:
        return _counter_part(source, span)
    power = _power(source)
    if power is None and estimated:
        power = _power_of_model(source)
    if power is None or len(power) < 2:
        return None
    limits = power_limits(source.info, power, None)
    refreshes = model_refreshes(power, limits) if estimated else power_refreshes(power, limits)
    if len(refreshes.since_s) < 2:
        return None
    return sensor_curve(
        refreshes, limits, power.refresh_s, None if estimated else power, span, counted=estimated
    )


def _counter_part(source: _Source, span: tuple[float, float]) -> SensorCurve | None:
    if source.energy is None:
        return None
    witness, power = _power(source), _shape(source)
    readings = counter_readings(source.energy, source.info.refresh_s, source.info.lag_s or 0.0)
    if len(readings.energy_j) < 2:
        return None
    limits = power_limits(source.info, power, readings)
    refreshes = counter_refreshes(readings, power, limits)
    return sensor_curve(refreshes, limits, readings.refresh_s, power, span, counted=True, witness=witness)


def _power(source: _Source) -> PowerCurve | None:
    """Return the power readings to integrate: instant where it sees all the time, else the long average."""
    info, lag_s = source.info, source.info.lag_s or 0.0
    sees_all = bool(info.window_s and info.refresh_s and info.window_s >= 0.8 * info.refresh_s)
    if source.average is not None and not (sees_all and source.instant is not None):
        return power_curve(source.average, info.refresh_s, AVERAGE_WINDOW_S, lag_s)
    if source.instant is not None:
        return power_curve(source.instant, info.refresh_s, info.window_s, lag_s)
    return None


def _shape(source: _Source) -> PowerCurve | None:
    """Return the power readings that tell the shape of energy between a counter's refreshes."""
    info = source.info
    if source.instant is None:
        return _power(source)
    return power_curve(source.instant, info.refresh_s, info.window_s, info.lag_s or 0.0)


def _power_of_model(source: _Source) -> PowerCurve | None:
    """Return the power behind the cumulative energy of a model."""
    channel = source.energy
    if channel is None or len(channel.value) < 2:
        return None
    at = seconds(channel.t_ns)
    step = np.maximum(np.diff(at), 1e-9)
    ceiling = source.info.power_ceiling_w
    # a late reading's time is off by as much as it was late: the model itself never leaves its range
    power = np.clip(np.diff(channel.value) / step, source.info.power_floor_w or 0.0, ceiling)
    return PowerCurve(
        since_s=at,
        until_s=at,
        at=EdgeTimes(at_s=at, deviation_s=np.zeros(len(at))),
        power_w=np.concatenate([power[:1], power]),
        refresh_s=float(np.median(step)),
        window_s=0.0,
    )


def power_limits(info: SensorInfo, power: PowerCurve | None, counter: CounterReadings | None) -> PowerRange:
    """Return the power range of a sensor's device; with no ceiling known, 1.5 times the most it showed."""
    floor = max(info.power_floor_w or 0.0, 0.0)
    if info.power_ceiling_w is not None and info.power_ceiling_w > floor:
        return PowerRange(floor_w=floor, ceiling_w=info.power_ceiling_w)
    shown = [np.array([floor])]
    if power is not None:
        shown.append(power.power_w)
    if counter is not None:
        length = np.diff(counter.at.at_s)
        sound = ~counter.broken & (length > 0.5 * counter.refresh_s)
        shown.append(np.diff(counter.energy_j)[sound] / length[sound])
    return PowerRange(floor_w=floor, ceiling_w=1.5 * float(np.concatenate(shown).max()), assumed=True)
