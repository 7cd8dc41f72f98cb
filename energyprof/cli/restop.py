"""``energyprof restop``: energy, time and accuracy as if another stopping rule had been applied."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from energyprof.cli.options import JsonOption, OutOption

__all__ = ["EXAMPLE", "restop"]

EXAMPLE = "Example:  energyprof restop last --patience 4 --min-delta 0.001"


def restop(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Run folders, report.json files or ids.")
    ],
    patience: Annotated[int, typer.Option(min=1, help="Epochs without improvement before it stops.")],
    min_delta: Annotated[float, typer.Option(min=0, help="What counts as an improvement.")] = 0.0,
    metric: Annotated[
        str | None,
        typer.Option(
            help="What is watched: validation_loss, validation_accuracy ...; default: what the run watched."
        ),
    ] = None,
    out: OutOption = Path("reports"),
    as_json: JsonOption = False,
) -> None:
    """Apply another stopping rule to runs that are over, from their stored epochs.

    A run that continues another is taken together with all parts before it.
    """
    from energyprof.analysis.restopping import StoppingRule, restop_parts
    from energyprof.cli.rendering import show_restopped
    from energyprof.cli.training_parts import training_parts
    from energyprof.record.run_lookup import find_run

    rule = StoppingRule(patience=patience, min_delta=min_delta, metric=metric)
    trainings = [training_parts(find_run(run, out)) for run in runs]
    show_restopped([restop_parts(parts, rule) for parts in trainings], as_json=as_json)
