"""Where runs lie on disk. Imports no numpy, so that commands which only read reports start at once."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from energyprof.errors import RunNotFound

__all__ = ["REPORT_JSON", "find_run", "list_runs"]

REPORT_JSON: Final = "report.json"


def list_runs(out: Path) -> list[Path]:
    """Return the run folders in a folder, oldest first: those that hold a report or a trace."""
    if not out.is_dir():
        return []
    holds = ("report.json", "steps.arrow")
    return sorted(p for p in out.iterdir() if p.is_dir() and any((p / name).exists() for name in holds))


def find_run(reference: str, out: Path) -> Path:
    """Resolve what a person calls a run to its folder.

    Args:
        reference: a run folder, its ``report.json``, or a unique prefix of its id; ``last`` is the newest.
        out: the folder of all runs.

    Raises:
        RunNotFound: there is none, or more than one.
    """
    path = Path(reference)
    if path.is_file():
        return path.parent
    if path.is_dir() and ((path / REPORT_JSON).exists() or (path / "steps.arrow").exists()):
        return path
    runs = list_runs(out)
    if reference == "last" and runs:
        return runs[-1]
    matches = [run for run in runs if run.name.startswith(reference)] if reference else []
    if len(matches) == 1:
        return matches[0]
    if matches:
        some = ", ".join(run.name for run in matches[:3])
        raise RunNotFound(
            f"'{reference}' names {len(matches)} runs in {out} ({some}, ...): give more of the id"
        )
    newest = f"; the newest is {runs[-1].name}" if runs else ""
    raise RunNotFound(f"no run '{reference}': no such folder, and no id in {out} begins with it{newest}")
