"""The folder of all runs, read back from its files: what can be read, and what cannot and why."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from energyprof.errors import RecordError
from energyprof.record.model import Report
from energyprof.record.schema import read_report, write_text
from energyprof.record.store import REPORT_JSON, list_runs

__all__ = ["FolderEntry", "read_entry", "read_folder", "write_index"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderEntry:
    """One run folder.

    Attributes:
        folder: its name.
        report: its report, or None where it cannot be read.
        reason: why it cannot be read, in one line.
        page: whether its page is there to be linked.
    """

    folder: str
    report: Report | None
    reason: str | None = None
    page: bool = False


def read_folder(out: Path) -> list[FolderEntry]:
    """Read every run folder, oldest first. Files and folders that are no run are passed over."""
    return [read_entry(folder) for folder in list_runs(out)]


def write_index(out: Path, promoted: Collection[str] = ()) -> Path:
    """Rebuild ``index.html`` from the files of a folder and return its path.

    Args:
        out: the folder of all runs.
        promoted: ids of runs that stand in a baseline, marked in the trends.

    Raises:
        OutputError: it cannot be written.
    """
    from energyprof.report.index import render_index

    path = out / "index.html"
    write_text(path, render_index(read_folder(out), promoted))
    return path


def read_entry(folder: Path) -> FolderEntry:
    """Read one run folder."""
    page = (folder / "report.html").exists()
    if not (folder / REPORT_JSON).exists():
        reason = "it has a trace but no report.json yet: energyprof report build makes one"
        return FolderEntry(folder=folder.name, report=None, reason=reason, page=page)
    try:
        report = read_report(folder / REPORT_JSON)
    except RecordError as error:
        reason = str(error).replace(str(folder / REPORT_JSON), REPORT_JSON)
        return FolderEntry(folder=folder.name, report=None, reason=reason, page=page)
    return FolderEntry(folder=folder.name, report=report, page=page)
