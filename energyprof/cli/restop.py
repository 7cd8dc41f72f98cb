"""``energyprof restop``: energy, time and accuracy as if another stopping rule had been applied."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from energyprof.cli.options import JsonOption, OutOption, RunsArgument

__all__ = ["EXAMPLE", "restop"]

EXAMPLE = "Example:  energyprof restop last --patience 4 --min-delta 0.001"


def restop(
    runs: RunsArgument,
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
    from energyprof.cli.named_runs import named_runs
    from energyprof.cli.rendering import show_restopped
    from energyprof.cli.training_parts import training_parts

    rule = StoppingRule(patience=patience, min_delta=min_delta, metric=metric)
    trainings = [training_parts(run) for run in named_runs(runs, out)]
    show_restopped([restop_parts(parts, rule) for parts in trainings], as_json=as_json)
