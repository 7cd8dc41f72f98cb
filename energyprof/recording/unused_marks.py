"""Marks that were asked for and never used: a ``with`` or a ``for`` that was forgotten."""

from __future__ import annotations

from collections.abc import Iterator

from energyprof.recording.marks import MarkBuffer

__all__ = ["unused_marks"]


def unused_marks(marks: MarkBuffer, epochs: int) -> Iterator[str]:
    """Say of each what was asked for, that nothing of it is in the record, and how it is meant.

    Args:
        marks: all of the run, drained.
        epochs: how many epochs were asked for and never entered.
    """
    for name in marks.phases_not_entered:
        yield (
            f"phase '{name}' was asked for and never entered, so nothing is told of it: "
            f"write  with prof.phase('{name.rpartition('/')[2]}'):  around what it is"
        )
    for name in marks.loops_not_begun:
        yield (
            f"prof.steps was asked for '{name}' and never iterated, so its steps are not counted: "
            "write  for batch in prof.steps(loader):"
        )
    if epochs > 0:
        yield (
            f"{epochs} of the epochs that were asked for were never entered, so nothing is told of them: "
            "write  with prof.epoch(index):  around each"
        )
