"""Flags: what a reader of the figures must know, in plain words with the numbers.

Each check is one small function that yields flags or none. :data:`CHECKS` lists them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final

from energyprof.analysis.beside import ran_beside
from energyprof.analysis.carbon import missing_carbon
from energyprof.analysis.continuation import part_of_run
from energyprof.analysis.device_flags import foreign_process, input_bound, temperature_drift, throttled
from energyprof.analysis.execution_flags import compiled_steps
from energyprof.analysis.findings import Findings, share_of_time
from energyprof.analysis.missing_values import missing_values
from energyprof.analysis.peak_memory import whole_card_memory
from energyprof.analysis.resolution_flags import (
    aliasing,
    ill_conditioned,
    sensor_delay,
    steps_shorter_than_refresh,
    window_too_short,
)
from energyprof.analysis.sensor_flags import (
    counter_power_gap,
    counter_troubles,
    domain_incomplete,
    power_range_assumed,
    power_range_broken,
    sampling_gap,
)
from energyprof.record.model import Flag, Provenance, Severity
from energyprof.units import format_duration

__all__ = [
    "CHECKS",
    "checkpoint_in_window",
    "cpu_missing",
    "estimated_share",
    "evaluation_in_window",
    "find_flags",
    "no_gpu_sensor",
    "partial_record",
]

EVALUATION: Final = frozenset({"evaluate", "evaluation", "eval", "validate", "validation", "test", "testing"})
CHECKPOINT: Final = frozenset({"checkpoint", "checkpoints", "checkpointing", "save"})
DOCTOR: Final = "Run 'energyprof doctor' to see why, and what to do about it."


def find_flags(findings: Findings) -> tuple[Flag, ...]:
    """Return the report's flags and those that its trace gives rise to, each once.

    A flag that the report already had about the same field, or of the same code and field, stays as it is.
    """
    flags = list(findings.report.flags)
    for flag in chain.from_iterable(check(findings) for check in CHECKS):
        explained = flag.field is not None and any(known.field == flag.field for known in flags)
        if not explained and (flag.code, flag.field, flag.message) not in {
            (known.code, known.field, known.message) for known in flags
        }:
            flags.append(flag)
    return tuple(flags)


def partial_record(findings: Findings) -> Iterator[Flag]:
    """Say what of the record was lost."""
    if not findings.trace.complete:
        problems = "; ".join(findings.trace.problems) or "it was cut short"
        yield Flag(
            code="partial-record",
            severity=Severity.WARNING,
            message=f"Part of the record is missing: {problems}.",
            advice="The figures are for what is left of it; run again for the whole.",
        )


def no_gpu_sensor(findings: Findings) -> Iterator[Flag]:
    """Say that no GPU is in the total, and how bad that is."""
    environment = findings.report.environment
    on_gpu = (environment.device or "").startswith("cuda")
    if any(domain.startswith("gpu") for domain in findings.attribution.domains):
        return
    if environment.device == "cpu" and not environment.gpus:
        return  # there is nothing to miss
    unread = "the energy of the GPU is not in the total"
    severity, what = Severity.INFO, f"{unread}, if there is one"
    if on_gpu:
        severity, what = Severity.ERROR, f"{unread}, although training ran on {environment.device}"
    elif environment.device == "cpu":
        severity, what = Severity.WARNING, "what the GPU drew while the CPU trained is not in the total"
    elif environment.gpus:
        severity, what = Severity.ERROR, f"{unread}, although this machine has one"
    yield Flag(
        code="no-gpu-sensor",
        severity=severity,
        message=f"No GPU sensor was read: {what}.",
        advice=DOCTOR,
        field="totals.energy_by_domain_j.gpu:0",
    )


def cpu_missing(findings: Findings) -> Iterator[Flag]:
    """Say which domains are not in the total."""
    domains = findings.attribution.domains
    missing = [name for name, domain in domains.items() if domain is None]
    if any(name.startswith("gpu") for name in domains):  # where none is, one flag says so
        missing += [gpu.domain for gpu in findings.report.environment.gpus if gpu.domain not in domains]
    for name in missing if "cpu" in domains else [*missing, "cpu"]:
        title = {"cpu": "CPU", "dram": "Memory (DRAM)"}.get(name, name.upper().replace(":", " "))
        yield Flag(
            code=f"{name.partition(':')[0]}-missing",
            severity=Severity.ERROR if name.startswith("gpu") else Severity.WARNING,
            message=f"{title} energy not available, so not in the total.",
            advice=DOCTOR,
            field=f"totals.energy_by_domain_j.{name}",
        )


def estimated_share(findings: Findings) -> Iterator[Flag]:
    """Say how much of the energy is a model's and not a measurement."""
    by_domain = findings.report.totals.energy_by_domain_j
    total = findings.report.totals.energy_j.value
    parts = {d: q.value or 0.0 for d, q in by_domain.items() if q.source is Provenance.ESTIMATED}
    if not parts or not total:
        return
    share = sum(parts.values()) / total
    yield Flag(
        code="estimated-share",
        severity=Severity.WARNING if share > 0.5 else Severity.INFO,
        message=f"{share:.0%} of the energy ({', '.join(parts)}) is estimated by a model, not measured.",
        advice="Treat it as an order of magnitude; 'energyprof doctor' says how to measure it.",
        field="totals.energy_j",
        value=share,
    )


def evaluation_in_window(findings: Findings) -> Iterator[Flag]:
    """Say that evaluation is part of the figures."""
    yield from _phase_in_window(findings, "evaluation", EVALUATION)


def checkpoint_in_window(findings: Findings) -> Iterator[Flag]:
    """Say that writing checkpoints is part of the figures."""
    yield from _phase_in_window(findings, "checkpoint", CHECKPOINT)


def _phase_in_window(findings: Findings, what: str, names: frozenset[str]) -> Iterator[Flag]:
    spent, share = share_of_time(findings, names)
    if spent <= 0:
        return
    yield Flag(
        code=f"{what}-in-window",
        severity=Severity.INFO,
        message=f"The figures include {format_duration(spent)} of {what} ({share:.1%} of the time).",
        advice="Compare with runs whose window holds the same, or compare the training phases alone.",
        value=share,
    )


CHECKS: Final[tuple[Callable[[Findings], Iterator[Flag]], ...]] = (
    partial_record,
    part_of_run,
    window_too_short,
    sampling_gap,
    counter_troubles,
    counter_power_gap,
    domain_incomplete,
    aliasing,
    ill_conditioned,
    sensor_delay,
    throttled,
    foreign_process,
    temperature_drift,
    input_bound,
    evaluation_in_window,
    checkpoint_in_window,
    compiled_steps,
    ran_beside,
    estimated_share,
    no_gpu_sensor,
    cpu_missing,
    power_range_broken,
    power_range_assumed,
    steps_shorter_than_refresh,
    whole_card_memory,
    missing_values,
    missing_carbon,
)
