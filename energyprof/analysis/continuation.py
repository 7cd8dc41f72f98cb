"""Runs that are a part of a training: what they continue, and that their figures are a part's."""

from __future__ import annotations

from collections.abc import Iterator

from energyprof.analysis.attribution import total_quantity
from energyprof.analysis.findings import Findings
from energyprof.record.model import Flag, Quantity, Report, Severity
from energyprof.units import format_duration, format_energy

__all__ = ["part_of_run", "together"]


def together(report: Report) -> tuple[Quantity, float | None]:
    """Return energy and time of a run and of the earlier runs it continues; missing where a record is."""
    before = report.run.resumed_from
    if before is None:
        return report.totals.energy_j, report.totals.duration_s
    known = report.totals.energy_j.value is not None and before.energy_j.value is not None
    energy = total_quantity({"before": before.energy_j, "own": report.totals.energy_j})
    duration_s = None if before.duration_s is None else before.duration_s + report.totals.duration_s
    return (energy if known else Quantity.missing()), duration_s


def part_of_run(findings: Findings) -> Iterator[Flag]:
    """Say that a run continues another, and what the parts took together."""
    before = findings.report.run.resumed_from
    if before is None:
        return
    yield Flag(
        code="part-of-run",
        severity=Severity.WARNING,
        message=f"This run continues {before.run} after {_epochs(before.epoch)} of '{before.stage}' "
        f"({before.passes} passes over the data in all): energy, time, steps and samples are those of this "
        f"part alone. {_sum(findings.report)}",
        advice="It is not compared with whole runs; train once more without a break for a figure that is.",
    )


def _epochs(count: int) -> str:
    return f"{count} epoch{'' if count == 1 else 's'}"


def _sum(report: Report) -> str:
    energy, duration_s = together(report)
    if energy.value is None or duration_s is None:
        return "What the part before took is not known."
    return (
        f"Together with the part before: {format_energy(energy.value)} ({energy.source}) in "
        f"{format_duration(duration_s)}, as far as it was recorded, with the work that was done twice."
    )
