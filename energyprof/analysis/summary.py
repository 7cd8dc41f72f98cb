"""The summary: a report's figures from a run's trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from energyprof.analysis.arrays import NS, Floats
from energyprof.analysis.attribution import (
    Attribution,
    attribute,
    quantity,
    total_quantity,
    window_quantity,
)
from energyprof.analysis.beside import with_gaps
from energyprof.analysis.carbon import co2e_kg, with_carbon_shares
from energyprof.analysis.cross_check import cross_check
from energyprof.analysis.epochs import epochs, logged_values, samples_seen
from energyprof.analysis.findings import Findings
from energyprof.analysis.ledger import above_idle, idle_energy, idle_power, ledger_rows
from energyprof.analysis.peak_memory import peak_device_memory, peak_host_memory
from energyprof.analysis.phase_energy import PhaseFigures, phase_figures
from energyprof.analysis.quality import find_flags
from energyprof.analysis.silence import filled_energy_j
from energyprof.analysis.step_table import step_columns, step_table
from energyprof.analysis.window_parts import window_parts
from energyprof.analysis.windows import phase_seconds, stays
from energyprof.record.model import (
    Distribution,
    PhaseEnergy,
    Provenance,
    Quality,
    Quantity,
    Report,
    StepStatistics,
    Totals,
    WindowInfo,
)
from energyprof.record.trace import Trace

__all__ = ["distribution", "step_table", "summarise"]


def summarise(trace: Trace, draft: Report, *, idle_power_w: Mapping[str, float] | None = None) -> Report:
    """Fill a report with what its trace tells.

    Args:
        trace: what was recorded.
        draft: the report with all that is known without the trace: run, workload, environment, sensors,
            carbon, overhead, what ran beside; what it holds already (quality, samples, flops, peaks, flags,
            what the window includes) is kept.
        idle_power_w: idle power by domain, from calibration; otherwise it is taken from what was recorded
            before and after the window.
    """
    attribution = attribute(trace, draft.sensors)
    totals = _totals(trace, draft, attribution, idle_power_w or {})
    beside = with_gaps(draft.cross_check.codecarbon, totals.energy_by_domain_j)
    report = replace(
        draft,
        totals=totals,
        carbon=with_carbon_shares(draft.carbon, totals.co2e_kg, totals.duration_s),
        quality=_quality(trace, draft.quality),
        epochs=epochs(trace.metrics, attribution.curves, attribution.steps, trace.window_ns),
        steps=_step_statistics(trace, attribution),
        cross_check=replace(cross_check(attribution, trace.window_ns), codecarbon=beside),
    )
    report = _with_window(_with_phases(report, attribution))
    return replace(report, flags=find_flags(Findings(trace=trace, attribution=attribution, report=report)))


def _totals(
    trace: Trace, draft: Report, attribution: Attribution, idle_power_w: Mapping[str, float]
) -> Totals:
    given = draft.totals
    duration_s = (trace.window_ns[1] - trace.window_ns[0]) * NS
    by_domain = {name: window_quantity(c, trace.window_ns) for name, c in attribution.curves.items()}
    energy = total_quantity(by_domain)
    idle = idle_energy(_idle_powers(trace, attribution, idle_power_w), by_domain, duration_s)
    steps = len(attribution.steps)
    samples = samples_seen(trace.metrics, steps) if given.samples is None else given.samples
    return replace(
        given,
        energy_j=energy,
        energy_by_domain_j=by_domain,
        filled_energy_j=_filled(energy, trace, attribution),
        idle_energy_j=idle,
        above_idle_energy_j=above_idle(energy, idle),
        duration_s=duration_s,
        steps=steps,
        samples=samples,
        energy_per_sample_j=_per(energy, samples),
        mean_power_w=energy.value / duration_s if energy.value is not None and duration_s > 0 else None,
        peak_device_memory_bytes=peak_device_memory(
            trace, draft.environment.device, given.peak_device_memory_bytes
        ),
        peak_host_memory_bytes=_known(given.peak_host_memory_bytes, peak_host_memory(trace)),
        co2e_kg=co2e_kg(energy, draft.carbon),
    )


def _filled(energy: Quantity, trace: Trace, attribution: Attribution) -> float | None:
    if energy.value is None:
        return None
    window = (trace.window_ns[0] * NS, trace.window_ns[1] * NS)
    return filled_energy_j(attribution.curves.values(), window)


def _known(given: int | None, found: int | None) -> int | None:
    return found if given is None else given


def _idle_powers(trace: Trace, attribution: Attribution, given: Mapping[str, float]) -> dict[str, Quantity]:
    measured = {
        name: idle_power(d.curve, trace.window_ns, trace.duration_ns) for name, d in attribution.known.items()
    }
    calibrated = {
        name: quantity(given[name], given[name], given[name], domain.curve.source)
        for name, domain in attribution.known.items()
        if name in given
    }
    return measured | calibrated


def _per(energy: Quantity, count: int | None) -> Quantity:
    if energy.value is None or energy.low is None or energy.high is None or not count:
        return Quantity.missing()
    return quantity(energy.value / count, energy.low / count, energy.high / count, energy.source)


def _quality(trace: Trace, given: Quality) -> Quality:
    """Fill in what was logged last: figures of the weights that the run ended with."""
    logged = logged_values(trace.metrics)

    def found(name: str) -> float | None:
        values = logged.get(name)
        return None if values is None else float(values[-1])

    names = ("train_accuracy", "validation_accuracy", "test_accuracy", "train_loss", "validation_loss")
    return replace(given, **{name: found(name) for name in names if getattr(given, name) is None})


def _step_statistics(trace: Trace, attribution: Attribution) -> StepStatistics:
    if not len(attribution.steps):
        return StepStatistics()
    table = step_columns(trace, attribution)
    source = Provenance(str(table["energy_source"][0]))
    modelled = any(domain.models for domain in attribution.known.values())
    known = source is not Provenance.MISSING
    return StepStatistics(
        count=len(attribution.steps),
        duration_s=distribution(table["duration_s"]),
        energy_j=distribution(table["energy_modelled_j"]) if known else Distribution(),
        energy_source=source,
        method=("modelled" if modelled else "bounded") if known else None,
    )


def distribution(values: Floats) -> Distribution:
    """Return mean, 5th, 50th and 95th percentile and maximum; nothing where there are no finite values."""
    values = values[np.isfinite(values)]
    if not len(values):
        return Distribution()
    p5, p50, p95 = (float(q) for q in np.percentile(values, (5, 50, 95)))
    return Distribution(mean=float(values.mean()), p5=p5, p50=p50, p95=p95, max=float(values.max()))


def _with_window(report: Report) -> Report:
    """Say what the window included, where the training code has not."""
    if report.window.includes:
        return report
    return replace(report, window=WindowInfo(includes=window_parts(report.phases)))


def _with_phases(report: Report, attribution: Attribution) -> Report:
    figures = [phase_figures(domain) for domain in attribution.known.values()]
    segments = attribution.segments
    spent = phase_seconds(segments)
    counts = stays(segments)
    present = [int(p) for p in np.flatnonzero(spent > 0)]
    rows = ledger_rows(figures, segments.phases, present, report.totals.energy_by_domain_j)
    cells = {(row.domain, row.phase): row.energy_j for row in rows}
    phases = tuple(
        _phase(p, segments.phases[p], (float(spent[p]), int(counts[p])), figures, cells) for p in present
    )
    return replace(report, phases=phases, ledger=rows)


def _phase(
    index: int,
    name: str,
    time: tuple[float, int],
    figures: Sequence[PhaseFigures],
    cells: Mapping[tuple[str, str], Quantity],
) -> PhaseEnergy:
    by_domain = {domain.domain: cells[domain.domain, name] for domain in figures}
    return PhaseEnergy(
        name=name,
        seconds=time[0],
        count=time[1],
        energy_j=total_quantity(by_domain),
        modelled_energy_j=_modelled(index, figures),
        by_domain_j=by_domain,
    )


def _modelled(index: int, figures: Sequence[PhaseFigures]) -> Quantity:
    """Add up the domains; one without a regression counts with its bounded figure."""
    if not any(domain.modelled for domain in figures):
        return Quantity.missing()
    parts = {}
    for domain in figures:
        chosen = domain.modelled or domain.bounded
        parts[domain.domain] = quantity(
            chosen.value[index], chosen.low[index], chosen.high[index], domain.source
        )
    return total_quantity(parts)
