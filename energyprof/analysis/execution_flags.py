"""What the way in which steps were executed means for a record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from energyprof.analysis.findings import Findings
from energyprof.record.model import Flag, Severity
from energyprof.units import format_duration

__all__ = ["compiled_steps"]

_COMPILING: Final = "compile"


def compiled_steps(findings: Findings) -> Iterator[Flag]:
    """Say what compiling took, and that a compiled step cannot be told apart into phases."""
    compiler = findings.report.workload.compiled
    if compiler is None:
        return
    spent = sum(p.seconds for p in findings.report.phases if p.name == _COMPILING)
    yield Flag(
        code="compiled-steps",
        severity=Severity.INFO,
        message=f"Steps were compiled ({compiler}), which took {format_duration(spent)} in the phase "
        f"'{_COMPILING}' and is part of the run's total. Inside a compiled step no phases are marked.",
        advice="Leave --compile out to see the phases of a step; compare steps by their training phases.",
        value=spent,
    )
