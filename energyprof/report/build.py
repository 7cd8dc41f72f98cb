"""From what is on disk to ``report.json`` and ``report.html``: when a run ends, or after one was killed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Final

from energyprof.analysis.summary import summarise
from energyprof.errors import RecordError
from energyprof.record.model import Environment, Report, RunInfo, RunStatus, Totals
from energyprof.record.schema import read_report, write_report, write_text
from energyprof.record.store import REPORT_JSON, read_trace
from energyprof.report.folder import write_index

__all__ = ["build_report", "rebuild_report", "write_index"]

_RECORDED_FLAGS: Final = (
    "sensor-missing",
    "recording-problem",
    "codecarbon-failed",
    "counted-twice",
    "unused-mark",
)  # noted while recording, not worked out since


def build_report(folder: Path, draft: Report, html: bool = True) -> Report:
    """Work out a run's figures from its trace and write its report.

    Args:
        folder: the run folder.
        draft: what is known besides the trace: run, workload, environment, sensors, carbon.
        html: whether to write the page too.

    Raises:
        RecordError: there is no trace.
        OutputError: the folder cannot be written.
    """
    from energyprof.report.run import render_run

    trace = read_trace(folder)
    report = summarise(trace, draft)
    write_report(report, folder / REPORT_JSON)
    if html:
        write_text(folder / "report.html", render_run(report, trace))
    return report


def rebuild_report(folder: Path, html: bool = True) -> Report:
    """Build the report of a run again, or for the first time after the run was killed.

    Raises:
        RecordError: there is no trace; or the report is whole and not ours to replace: foreign, of a newer
            energyprof, or with a value that somebody wrote.
        OutputError: the folder cannot be written.
    """
    try:
        kept = read_report(folder / REPORT_JSON)
    except RecordError as error:
        if _is_whole(folder / REPORT_JSON):
            raise RecordError(f"{error}; to build it from its trace alone, move that file away") from error
        kept = Report(
            run=RunInfo(id=folder.name, name=folder.name, status=RunStatus.PARTIAL, started_at=""),
            environment=Environment(energyprof="unknown", python="unknown", platform="unknown"),
        )
    totals = Totals(flops=kept.totals.flops, peak_device_memory_bytes=kept.totals.peak_device_memory_bytes)
    flags = tuple(flag for flag in kept.flags if flag.code in _RECORDED_FLAGS)
    return build_report(folder, replace(kept, totals=totals, flags=flags), html=html)


def _is_whole(path: Path) -> bool:
    """Tell whether a file is JSON: what is truncated or missing loses nothing by being replaced."""
    try:
        json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return True
