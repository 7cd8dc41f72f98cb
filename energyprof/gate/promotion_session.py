"""``energyprof baseline promote`` from its words to a file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from energyprof.errors import OutputError, UsageError
from energyprof.gate.baseline_file import read_baseline, render_baseline
from energyprof.gate.baseline_shelf import shelf_path
from energyprof.gate.promotion import promote
from energyprof.gate.run_files import load_runs
from energyprof.gate.session import budget_named, open_book, shown_path
from energyprof.gate.sides import select_runs
from energyprof.record.schema import write_text

__all__ = ["promote_runs"]


def promote_runs(
    references: Sequence[str],
    *,
    out: Path,
    config: Path | None,
    budget: str,
    reason: str,
    accept_regression: bool,
) -> tuple[str, int]:
    """Promote runs and write the baseline where the budget says; return its path and how many runs.

    Raises:
        EnergyprofError: the runs are refused, or something cannot be read or written.
    """
    book, folder = open_book(config)
    wanted = budget_named(book, budget)
    runs = select_runs(wanted, load_runs(references, out))
    if wanted.baseline is None:
        raise UsageError(
            f"budget '{budget}' names no baseline: add  baseline = \"baselines/{{budget}}/{{device}}.json\""
        )
    path = folder / (shelf_path(wanted, runs) or "")
    shown = shown_path(path)
    present = read_baseline(path, shown) if path.is_file() else None
    made = promote(
        wanted,
        runs,
        reason=reason,
        promoted_at=datetime.now(UTC).isoformat(timespec="seconds"),
        present=present,
        accept_regression=accept_regression,
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder of {shown}: {error.strerror}") from error
    write_text(path, render_baseline(made))
    return shown, len(made.runs)
