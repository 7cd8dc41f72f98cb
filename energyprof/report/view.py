"""What the sections of a run's page are made from: the report, its trace, and what follows from both."""

from __future__ import annotations

from functools import cached_property

from energyprof.analysis.attribution import Attribution, attribute
from energyprof.record.model import Report
from energyprof.record.trace import Trace
from energyprof.report.progress import EnergyKnots, energy_knots
from energyprof.report.steps import StepView, step_view
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
        return panels_of(self.report, self.trace, self.steps)

    @cached_property
    def steps(self) -> StepView | None:
        """Return the steps, or None where there are none or no trace."""
        if self.trace is None or self.attribution is None:
            return None
        return step_view(self.report, self.trace, self.attribution)

    @cached_property
    def energy(self) -> EnergyKnots | None:
        """Return the knots of cumulative energy, or None where no domain's energy is known."""
        if self.trace is None or self.attribution is None:
            return None
        return energy_knots(self.trace, self.attribution.curves)

    @cached_property
    def attribution(self) -> Attribution | None:
        """Return the energy of the run by domain, attributed once for all sections; None without a trace."""
        return None if self.trace is None else attribute(self.trace, self.report.sensors)
