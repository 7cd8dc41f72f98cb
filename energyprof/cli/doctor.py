"""``energyprof doctor``: what this machine can measure, with which sensor, how precisely."""

from __future__ import annotations

from typing import Annotated

import typer

from energyprof.cli.options import JsonOption

__all__ = ["EXAMPLE", "doctor"]

EXAMPLE = "Example:  energyprof doctor --seconds 3"


def doctor(
    seconds: Annotated[float, typer.Option(min=0.2, max=60, help="How long to read each sensor.")] = 1.0,
    as_json: JsonOption = False,
) -> None:
    """Say what this machine can measure, with which sensor, how precisely, and what to do to have more."""
    from energyprof.cli.diagnosis import diagnose, render_diagnosis
    from energyprof.cli.rendering import print_json, show

    diagnosis = diagnose(seconds)
    if as_json:
        print_json(diagnosis.to_dict())
    else:
        show(render_diagnosis(diagnosis))
