"""What the sections of a run's page are made from: the report, its trace, and what follows from both."""

from __future__ import annotations

from functools import cached_property

from energyprof.record.model import Report
from energyprof.record.trace import Trace
from energyprof.report.progress import EnergyKnots, energy_knots
from energyprof.report.timeline import Panel, panels_of

__all__ = ["RunView"]


class RunView:
    """A run as its page sees it.

    Args:
        report: the run's report.
        trace: its trace, or None where the files are not there.
    """

    def __init__(self, report: Report, trace: Trace | None) -> None:
        self.report = report
        self.trace = trace

    @cached_property
    def panels(self) -> tuple[Panel, ...]:
        """Return the panels of the timeline."""
        return panels_of(self.report, self.trace)

    @cached_property
    def energy(self) -> EnergyKnots | None:
        """Return the knots of cumulative energy, or None where no domain's energy is known."""
        return None if self.trace is None else energy_knots(self.report, self.trace)
