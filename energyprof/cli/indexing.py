"""The index of a folder of runs, kept current by the commands that add a run or show one."""

from __future__ import annotations

from pathlib import Path

import typer

from energyprof.errors import EnergyprofError

__all__ = ["refresh_index"]


def refresh_index(out: Path) -> None:
    """Rebuild the index of a folder; where that cannot be done, say so on stderr and go on."""
    from energyprof.gate.promoted_runs import promoted_ids
    from energyprof.report.folder import write_index

    try:
        write_index(out, promoted_ids())
    except EnergyprofError as error:
        typer.echo(f"the index of '{out}' was not rebuilt: {error}", err=True)
