"""``energyprof doctor``: what this machine can measure, with which sensor, how precisely."""

from __future__ import annotations

import json
from typing import Annotated

import typer

__all__ = ["EXAMPLE", "doctor"]

EXAMPLE = "Example:  energyprof doctor --seconds 3"


def doctor(
    seconds: Annotated[float, typer.Option(min=0.2, max=60, help="How long to read each sensor.")] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what this machine can measure, with which sensor, how precisely, and what to do to have more."""
    from rich.console import Console

    from energyprof.cli.diagnosis import diagnose, show_diagnosis

    diagnosis = diagnose(seconds)
    if as_json:
        typer.echo(json.dumps(diagnosis.to_dict(), indent=1))
    else:
        show_diagnosis(diagnosis, Console(highlight=False))
