"""Flags: what a reader of the figures must know, in plain words with the numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from energyprof.analysis.arrays import NS
from energyprof.analysis.energy_curve import EnergyCurve
from energyprof.record.model import Flag, Provenance, Report, Severity
from energyprof.record.trace import Trace

__all__ = [
    "Findings",
    "merge_flags",
    "missing_domains",
    "missing_values",
    "partial_record",
    "window_too_short",
]

LEAST_REFRESHES: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What flags are made from."""

    trace: Trace
    curves: dict[str, EnergyCurve | None]
    report: Report


def merge_flags(existing: tuple[Flag, ...], found: Iterator[Flag]) -> tuple[Flag, ...]:
    """Add flags; one that was there already for the same code and field stays as it is."""
    known = {(flag.code, flag.field) for flag in existing}
    return (*existing, *(flag for flag in found if (flag.code, flag.field) not in known))


def partial_record(trace: Trace) -> Iterator[Flag]:
    """Say what of the record was lost."""
    if not trace.complete:
        yield Flag(
            code="partial-record",
            severity=Severity.WARNING,
            message=f"Part of the record is missing: {'; '.join(trace.problems) or 'it was cut short'}.",
            advice="Figures are for what is left; run again for the whole.",
        )


def window_too_short(trace: Trace, curves: dict[str, EnergyCurve | None]) -> Iterator[Flag]:
    """Warn where a sensor refreshed too few times in the window."""
    seconds = (trace.window_ns[1] - trace.window_ns[0]) * NS
    for domain, curve in curves.items():
        if curve is not None and seconds < LEAST_REFRESHES * curve.refresh_s:
            yield Flag(
                code="window-too-short",
                severity=Severity.WARNING,
                message=f"The window of {seconds:.3g} s holds {seconds / curve.refresh_s:.0f} refreshes of "
                f"the {domain} sensor: its energy is known only within wide bounds.",
                advice=f"Measure for at least {LEAST_REFRESHES * curve.refresh_s:.2g} s.",
                value=seconds,
            )


def missing_domains(curves: dict[str, EnergyCurve | None]) -> Iterator[Flag]:
    """Say which domains are not in the total."""
    if not any(domain.startswith("gpu") for domain in curves):
        yield Flag(
            code="no-gpu-sensor",
            severity=Severity.INFO,
            message="No GPU sensor was read, so no GPU energy is in the total.",
            advice="Run 'energyprof doctor' to see what this machine can measure.",
        )
    missing = [domain for domain, curve in curves.items() if curve is None]
    if "cpu" not in curves:
        missing.append("cpu")
    for domain in missing:
        name = "CPU" if domain == "cpu" else domain
        yield Flag(
            code=f"{domain.partition(':')[0]}-missing",
            severity=Severity.WARNING,
            message=f"{name} energy not available, so not in the total.",
            advice="Run 'energyprof doctor' to see why and what to do.",
            field=f"totals.energy_by_domain_j.{domain}",
        )


def missing_values(report: Report) -> Iterator[Flag]:
    """Give the reason for each field of the contract that is null."""
    totals = report.totals
    no_energy = "no energy sensor gave a usable reading"
    checks = (
        ("totals.energy_j", totals.energy_j.source is Provenance.MISSING, no_energy),
        ("totals.flops", totals.flops is None, "operations were not counted"),
    )
    for field, is_missing, reason in checks:
        if is_missing:
            yield Flag(
                code="missing-value",
                severity=Severity.INFO,
                message=f"{field} is not known: {reason}.",
                field=field,
            )
