"""The end of a run: its report, in its own folder; where the disk there is full, in a spare one.

What a full disk refused is still in memory by then, and a training run of a week should not end without its
figures.
"""

from __future__ import annotations

import tempfile
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from energyprof.errors import EnergyprofError
from energyprof.record.model import Flag, Report, Severity
from energyprof.record.store import RunFolder, read_trace
from energyprof.recording.run import Run

__all__ = ["finished_run"]


def finished_run(folder: RunFolder, draft: Report, *, html: bool) -> Run:
    """Build the report of a run whose streams are closed; warns where it is not where it should be.

    Args:
        folder: where the run was recorded.
        draft: what is known besides the trace.
        html: whether to write the page too.
    """
    problem, movable = "; ".join(folder.problems), True
    if not folder.refused:
        try:
            return _built(folder.path, draft, html)
        except (EnergyprofError, OSError) as error:
            problem = str(error)
        except Exception as error:  # a defect of ours is no reason for a training to end without its model
            problem, movable = f"{type(error).__name__}: {error}; the trace is in {folder.path}", False
    run, told = _elsewhere(folder, draft, problem, html) if movable else _unwritten(folder, draft, problem)
    warnings.warn(told, RuntimeWarning, stacklevel=5)
    return run


def _elsewhere(folder: RunFolder, draft: Report, problem: str, html: bool) -> tuple[Run, str]:
    """Return the run with its record in a spare folder, and what to say of it."""
    told = "The record is in '{}': its own folder could not take it ({})."
    try:
        spare = Path(tempfile.mkdtemp(prefix="energyprof-")) / folder.path.name
        folder.copy_to(spare)
        told = told.format(spare, problem)
        moved = Flag(code="recording-problem", severity=Severity.WARNING, message=told)
        return _built(spare, replace(draft, flags=(moved, *draft.flags)), html), told
    except Exception:  # it is a second attempt: the first one's problem is told
        return _unwritten(folder, draft, problem)


def _built(path: Path, draft: Report, html: bool) -> Run:
    from energyprof.report.build import build_report

    return Run(path, build_report(path, draft, html=html))


def _unwritten(folder: RunFolder, draft: Report, problem: str) -> tuple[Run, str]:
    return Run(folder.path, _in_memory(folder, draft)), f"the report could not be written: {problem}"


def _in_memory(folder: RunFolder, draft: Report) -> Report:
    """Return the figures of what is on disk, or the draft where nothing is, or where they cannot be made."""
    with suppress(Exception):  # what it threw is told already, or there is nothing to make figures of
        from energyprof.analysis.summary import summarise

        return summarise(read_trace(folder.path), draft)
    return draft
