"""Steps: how long and how dear they are, and the dearest ones."""

from __future__ import annotations

from energyprof.report.page import fragment
from energyprof.report.section import Section
from energyprof.report.view import RunView

__all__ = ["section"]


def section(view: RunView) -> Section:
    """Build the section."""
    body = fragment("run_steps.html", steps=view.report.steps)
    return Section(
        key="steps",
        short="Steps",
        title="Steps",
        about="One step is one update. Half of the steps lie below p50, nineteen in twenty below p95.",
        body=body,
    )
