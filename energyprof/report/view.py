"""What the sections of a run's page are made from: the report, its trace, and what is worked out from both once."""

from __future__ import annotations

from functools import cached_property

from energyprof.record.model import Report
from energyprof.record.trace import Trace
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
