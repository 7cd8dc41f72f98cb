"""The summary: a report's figures from a run's trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from energyprof.analysis.arrays import NS
from energyprof.analysis.attribution import (
    PhaseFigures,
    phase_figures,
    quantity,
    total_quantity,
    window_quantity,
)
from energyprof.analysis.domains import domain_kind, energy_curves
from energyprof.analysis.energy_curve import EnergyCurve
from energyprof.analysis.epochs import epochs, last_values, samples_by_step
from energyprof.analysis.ledger import above_idle, idle_energy, idle_power, ledger_rows
from energyprof.analysis.quality import (
    merge_flags,
    missing_domains,
    missing_values,
    partial_record,
    window_too_short,
)
from energyprof.analysis.step_table import step_table
from energyprof.analysis.windows import Windows, occurrences, phase_seconds, step_windows, window_segments
from energyprof.record.model import (
    Distribution,
    Flag,
    PhaseEnergy,
    Provenance,
    Quality,
    Quantity,
    Report,
    StepStatistics,
    Totals,
)
from energyprof.record.trace import Channel, ChannelKind, Segments, Trace
from energyprof.units import joules_to_kwh

__all__ = ["step_table", "summarise"]

Curves = dict[str, EnergyCurve | None]


def summarise(trace: Trace, draft: Report, *, idle_power_w: Mapping[str, float] | None = None) -> Report:
    """Fill a report with what its trace tells.

    Args:
        trace: what was recorded.
        draft: the report with all that is known without the trace: run, workload, environment, sensors,
            carbon, overhead; what it holds already (quality, flops, peaks, flags) is kept.
        idle_power_w: idle power by domain, from calibration; otherwise it is taken from what was recorded
            before and after the window.
    """
    segments = window_segments(trace)
    steps = step_windows(segments)
    curves = energy_curves(trace, draft.sensors)
    report = replace(
        draft,
        totals=_totals(trace, draft, curves, steps, idle_power_w or {}),
        quality=_quality(trace, draft.quality),
        epochs=epochs(trace.metrics, curves, steps, trace.window_ns),
        steps=_step_statistics(trace, draft, steps),
    )
    report = _with_phases(report, segments, curves)
    return replace(report, flags=merge_flags(draft.flags, _flags(trace, report, curves)))


def _flags(trace: Trace, report: Report, curves: Curves) -> Iterator[Flag]:
    yield from partial_record(trace)
    yield from window_too_short(trace, curves)
    yield from missing_domains(curves)
    yield from missing_values(report)


def _totals(
    trace: Trace, draft: Report, curves: Curves, steps: Windows, idle_power_w: Mapping[str, float]
) -> Totals:
    duration_s = (trace.window_ns[1] - trace.window_ns[0]) * NS
    by_domain = {domain: window_quantity(curve, trace.window_ns) for domain, curve in curves.items()}
    energy = total_quantity(by_domain)
    idle = idle_energy(_idle_powers(trace, curves, idle_power_w), by_domain, duration_s)
    samples = draft.totals.samples
    if samples is None:
        samples = samples_by_step(trace.metrics, len(trace.metrics.name), len(steps))
    return replace(
        draft.totals,
        energy_j=energy,
        energy_by_domain_j=by_domain,
        idle_energy_j=idle,
        above_idle_energy_j=above_idle(energy, idle),
        duration_s=duration_s,
        steps=len(steps),
        samples=samples,
        energy_per_sample_j=_per(energy, samples),
        mean_power_w=energy.value / duration_s if energy.value is not None and duration_s > 0 else None,
        peak_device_memory_bytes=_first(draft.totals.peak_device_memory_bytes, _peak(trace, "gpu")),
        peak_host_memory_bytes=_first(draft.totals.peak_host_memory_bytes, _peak(trace, "host")),
        co2e_kg=_co2e(energy, draft),
    )


def _first(given: int | None, found: int | None) -> int | None:
    return found if given is None else given


def _idle_powers(trace: Trace, curves: Curves, given: Mapping[str, float]) -> dict[str, Quantity]:
    powers = {}
    for domain, curve in curves.items():
        if domain in given:
            watts = given[domain]
            powers[domain] = quantity(watts, watts, watts, curve.source if curve else Provenance.MISSING)
        elif curve is not None:
            powers[domain] = idle_power(curve, trace.window_ns, trace.duration_ns)
    return powers


def _per(energy: Quantity, count: int | None) -> Quantity:
    if energy.value is None or not count:
        return Quantity.missing()
    low, high = (energy.value if bound is None else bound for bound in (energy.low, energy.high))
    return quantity(energy.value / count, low / count, high / count, energy.source)


def _co2e(energy: Quantity, draft: Report) -> float | None:
    intensity = draft.carbon.intensity_g_per_kwh
    if energy.value is None or intensity is None:
        return None
    return joules_to_kwh(energy.value) * intensity / 1000.0


def _peak(trace: Trace, kind: str) -> int | None:
    """Return the most memory that was read in the window, or next to it; the worst device's."""
    peaks = [
        peak
        for channel in trace.channels
        if channel.kind is ChannelKind.MEMORY and domain_kind(channel.domain) == kind
        if (peak := _peak_of(channel, trace.window_ns)) is not None
    ]
    return round(max(peaks)) if peaks else None


def _peak_of(channel: Channel, window_ns: tuple[int, int]) -> float | None:
    first = max(int(np.searchsorted(channel.t_ns, window_ns[0], side="right")) - 1, 0)
    last = int(np.searchsorted(channel.t_ns, window_ns[1], side="right"))
    readings = channel.value[first : max(last, first + 1)]
    return float(readings.max()) if len(readings) else None


def _quality(trace: Trace, given: Quality) -> Quality:
    """Fill in what was logged: the best validation figures, the last of the others."""
    logged = last_values(trace.metrics)
    found = {
        "train_accuracy": _pick(logged.get("train_accuracy"), -1),
        "validation_accuracy": _best(logged.get("validation_accuracy"), "max"),
        "test_accuracy": _pick(logged.get("test_accuracy"), -1),
        "train_loss": _pick(logged.get("train_loss"), -1),
        "validation_loss": _best(logged.get("validation_loss"), "min"),
    }
    return Quality(
        **{name: getattr(given, name) if getattr(given, name) is not None else v for name, v in found.items()}
    )


def _pick(values: NDArray[np.float64] | None, index: int) -> float | None:
    return None if values is None else float(values[index])


def _best(values: NDArray[np.float64] | None, way: str) -> float | None:
    return None if values is None else float(values.max() if way == "max" else values.min())


def _with_phases(report: Report, segments: Segments, curves: Curves) -> Report:
    figures = [phase_figures(curve, segments) for curve in curves.values() if curve is not None]
    seconds = phase_seconds(segments)
    stays = np.bincount(occurrences(segments).label, minlength=len(segments.phases))
    present = [int(p) for p in np.flatnonzero(seconds > 0)]
    rows = ledger_rows(figures, segments.phases, present, report.totals.energy_by_domain_j)
    cells = {(row.domain, row.phase): row.energy_j for row in rows}
    phases = tuple(
        _phase(segments.phases[p], float(seconds[p]), int(stays[p]), figures, cells) for p in present
    )
    return replace(report, phases=phases, ledger=rows)


def _phase(
    name: str,
    seconds: float,
    count: int,
    figures: Sequence[PhaseFigures],
    cells: Mapping[tuple[str, str], Quantity],
) -> PhaseEnergy:
    by_domain = {domain.domain: cells[domain.domain, name] for domain in figures}
    return PhaseEnergy(
        name=name, seconds=seconds, count=count, energy_j=total_quantity(by_domain), by_domain_j=by_domain
    )


def _step_statistics(trace: Trace, draft: Report, steps: Windows) -> StepStatistics:
    if not len(steps):
        return StepStatistics()
    table = step_table(trace, draft.sensors)
    source = Provenance(str(table["energy_source"][0]))
    return StepStatistics(
        count=len(steps),
        duration_s=distribution(table["duration_s"]),
        energy_j=distribution(table["energy_modelled_j"])
        if source is not Provenance.MISSING
        else Distribution(),
        energy_source=source,
        method=None if source is Provenance.MISSING else "bounded",
    )


def distribution(values: NDArray[np.float64]) -> Distribution:
    """Return mean, 5th, 50th and 95th percentile and maximum; nothing where there are no finite values."""
    values = values[np.isfinite(values)]
    if not len(values):
        return Distribution()
    p5, p50, p95 = (float(q) for q in np.percentile(values, (5, 50, 95)))
    return Distribution(mean=float(values.mean()), p5=p5, p50=p50, p95=p95, max=float(values.max()))
