"""Which runs stand in a promoted baseline: what the index of a folder marks in its trends."""

from __future__ import annotations

import glob
import re
from pathlib import Path

from energyprof.gate.baseline_file import read_baseline
from energyprof.gate.budget_file import budget_file_in, read_budgets

__all__ = ["promoted_ids"]


def promoted_ids(config: Path | None = None) -> frozenset[str]:
    """Return the ids of the runs in all baselines of a budget file, whatever their device.

    Args:
        config: the budget file; None for the one in this folder, and no runs where there is none.

    Raises:
        ConfigError: the budgets or a baseline cannot be read or meant.
    """
    path = budget_file_in(Path()) if config is None else config
    if path is None:
        return frozenset()
    templates = {budget.baseline for budget in read_budgets(path, path.name).budgets if budget.baseline}
    files = {file for template in templates for file in _files(path.parent, template)}
    return frozenset(run.id for file in files for run in read_baseline(file, file.name).runs)


def _files(folder: Path, template: str) -> list[Path]:
    """Return the files that a baseline's path stands for: ``{device}`` and the like match any one part."""
    pattern = "*".join(glob.escape(part) for part in re.split(r"\{\w+\}", str(folder / template)))
    return [path for name in glob.glob(pattern) if (path := Path(name)).is_file()]
