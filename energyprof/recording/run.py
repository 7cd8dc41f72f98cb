"""A finished run, as Python sees it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from energyprof.record.model import Quantity, Report
from energyprof.record.schema import read_report
from energyprof.record.store import REPORT_JSON, find_run, read_trace
from energyprof.record.trace import Trace

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Run"]


class Run:
    """A run's record: figures at once, tables when asked for.

    Args:
        path: the run folder.
        report: its report, where it is already at hand.
    """

    def __init__(self, path: Path, report: Report | None = None) -> None:
        self.path = path
        self.report = read_report(path / REPORT_JSON) if report is None else report

    @classmethod
    def load(cls, reference: str | Path, out: str | Path = "reports") -> Run:
        """Open a run by folder, ``report.json``, unique id prefix, or ``last``.

        Raises:
            RunNotFound: there is no such run.
            RecordError: its report cannot be read.
        """
        return cls(find_run(str(reference), Path(out)))

    @property
    def energy_j(self) -> Quantity:
        """Return the energy of the window over all domains, in joules with bounds."""
        return self.report.totals.energy_j

    @property
    def energy_by_domain_j(self) -> Mapping[str, Quantity]:
        """Return the energy of the window by domain."""
        return self.report.totals.energy_by_domain_j

    @property
    def html(self) -> Path:
        """Return where the page is."""
        return self.path / "report.html"

    @cached_property
    def trace(self) -> Trace:
        """Read the segments, readings and logged scalars.

        Raises:
            RecordError: there is no trace.
        """
        return read_trace(self.path)

    @cached_property
    def steps(self) -> pd.DataFrame:
        """Return a row a step: start_s, duration_s, phase, energy_j with bounds and source, memory_bytes."""
        import pandas as pd

        from energyprof.analysis.step_table import step_table

        return pd.DataFrame(step_table(self.trace, self.report.sensors, self.report.environment.device))

    @cached_property
    def samples(self) -> pd.DataFrame:
        """Return a row a reading: t_s since the window opened, channel, value, unit."""
        import pandas as pd

        opened_ns = self.trace.window_ns[0]
        frames = [
            pd.DataFrame(
                {"t_s": (c.t_ns - opened_ns) / 1e9, "channel": c.name, "value": c.value, "unit": c.unit}
            )
            for c in self.trace.channels
        ]
        return pd.concat(frames, ignore_index=True).sort_values("t_s") if frames else pd.DataFrame()

    def __repr__(self) -> str:
        from energyprof.units import format_duration, format_energy

        joules, lasted = self.energy_j.value, format_duration(self.report.totals.duration_s)
        spent = "energy unknown" if joules is None else f"{format_energy(joules)} ({self.energy_j.source})"
        return f"<Run {self.report.run.id}: {self.report.run.status}, {spent}, {lasted}>"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(repr(self)[1:-1])} &middot; <a href='{escape(str(self.html))}'>report</a></p>"
