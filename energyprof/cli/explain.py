"""``energyprof explain``: where the ratio of two runs' energies comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from energyprof.cli.options import JsonOption, OutOption

__all__ = ["EXAMPLE", "explain"]

EXAMPLE = "Example:  energyprof explain 20261120-1523 20261120-1541"


def explain(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN_A RUN_B", help="The run that is explained, and the one it is held against."
        ),
    ],
    out: OutOption = Path("reports"),
    as_json: JsonOption = False,
) -> None:
    """Split the ratio of two runs' energies into passes x time a pass x mean power, by phase, above idle."""
    from energyprof.analysis.explanation import explain as explain_profiles
    from energyprof.analysis.explanation import profile_of
    from energyprof.cli.named_runs import named_runs
    from energyprof.cli.rendering import show_explanation
    from energyprof.errors import UsageError

    reports = [run.report for run in named_runs(runs, out)]
    if len(reports) != 2:
        seen = f"{len(reports)} run{'' if len(reports) == 1 else 's'}"
        raise UsageError(f"explain takes two runs, seen {seen}: name one of each; 'compare' takes many")
    show_explanation(explain_profiles(*(profile_of([r], r.run.id) for r in reports)), as_json=as_json)
