"""Runs that are recorded at the same time in one process: each counts the joules of the others too."""

from __future__ import annotations

import os
from typing import Final

from energyprof.record.model import Severity
from energyprof.recording.run_draft import RunDraft

__all__ = ["begin_recording", "end_recording"]

_RECORDING: Final[dict[tuple[int, str], RunDraft]] = {}  # by process, as a forked one inherits this


def begin_recording(run_id: str, draft: RunDraft) -> None:
    """Say in the records of a run that begins and of those that go on that they overlap."""
    here = os.getpid()
    for (process, other_id), other in tuple(_RECORDING.items()):
        if process == here:
            _tell(draft, other_id)
            _tell(other, run_id)
    _RECORDING[here, run_id] = draft


def end_recording(run_id: str) -> None:
    """Say that a run is over."""
    _RECORDING.pop((os.getpid(), run_id), None)


def _tell(draft: RunDraft, other_id: str) -> None:
    message = (
        f"Run {other_id} was recorded by the same process at the same time: what both saw counts in both, "
        "and each holds what it cost to record the other. For a part of a run use a phase."
    )
    draft.note("counted-twice", message, Severity.WARNING)
