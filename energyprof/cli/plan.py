"""``energyprof plan``: how many runs a margin costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from energyprof.cli.options import refuse_bare_share

__all__ = ["EXAMPLE", "plan"]

EXAMPLE = "Example:  energyprof plan --margin 5% reports/2026*"


def plan(
    margin: Annotated[
        str, typer.Option(callback=refuse_bare_share, help="The increase that is allowed, such as 5%.")
    ],
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN]...", help="Runs of the same thing: their noise.")
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option(callback=refuse_bare_share, help="Noise between runs of a sitting, such as 1%."),
    ] = None,
    between: Annotated[
        str | None,
        typer.Option(
            callback=refuse_bare_share, help="Noise between sittings, for a stored baseline, such as 0.5%."
        ),
    ] = None,
    baseline: Annotated[Path | None, typer.Option(help="A baseline file: its noise.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="Budget file: calibrated noise between sittings, for a baseline.")
    ] = None,
    metric: Annotated[str, typer.Option(help="The metric.")] = "energy_j",
    alpha: Annotated[float, typer.Option(min=0.0001, max=0.4999, help="One-sided level.")] = 0.05,
    json_form: Annotated[bool, typer.Option("--json", help="Print the machine form.")] = False,
    out: Annotated[Path, typer.Option(help="The folder of all runs.")] = Path("reports"),
) -> None:
    """Say how many runs a side a margin needs, and what some runs can tell, from the noise of a metric."""
    import json

    from energyprof.gate.plan import plan_to_json, render_plan
    from energyprof.gate.plan_session import plan_for

    found = plan_for(
        margin,
        runs or (),
        noise=noise,
        between=between,
        baseline=baseline,
        metric=metric,
        alpha=alpha,
        out=out,
        config=config,
    )
    typer.echo(json.dumps(plan_to_json(found), indent=1) if json_form else render_plan(found).rstrip())
