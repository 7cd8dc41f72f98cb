"""``energyprof explain``: where the ratio of two runs' energies comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from energyprof.cli.options import JsonOption, OutOption

__all__ = ["EXAMPLE", "explain"]

EXAMPLE = "Example:  energyprof explain 20261120-1523 20261120-1541"


def explain(
    a: Annotated[str, typer.Argument(metavar="RUN_A", help="The run that is explained.")],
    b: Annotated[str, typer.Argument(metavar="RUN_B", help="The run it is held against.")],
    out: OutOption = Path("reports"),
    as_json: JsonOption = False,
) -> None:
    """Split the ratio of two runs' energies into passes x time a pass x mean power, by phase, above idle."""
    from energyprof.analysis.explanation import explain as explain_profiles
    from energyprof.analysis.explanation import profile_of
    from energyprof.cli.compare import read_runs
    from energyprof.cli.rendering import show_explanation

    profiles = [profile_of([report], report.run.id) for report in read_runs([a, b], out)]
    show_explanation(explain_profiles(*profiles), as_json=as_json)
