"""``energyprof doctor``: what this machine can measure, with which sensor, how precisely; and the proof."""

from __future__ import annotations

from typing import Annotated

import typer

from energyprof.cli.options import JsonOption

__all__ = ["EXAMPLE", "doctor"]

EXAMPLE = "Example:  energyprof doctor --prove --against zeus,codecarbon"


def doctor(
    seconds: Annotated[float, typer.Option(min=0.2, max=60, help="How long to read each sensor.")] = 1.0,
    prove: Annotated[bool, typer.Option("--prove", help="Hold the measurement against known truth.")] = False,
    against: Annotated[
        str,
        typer.Option(
            metavar="TOOLS",
            help="With --prove: other tools that are installed: zeus,codecarbon,carbontracker,perun",
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Say what this machine can measure and how well; --prove exits with 1 if a promise is broken."""
    from energyprof.cli.diagnosis import diagnose, render_diagnosis
    from energyprof.cli.proof import show_proof
    from energyprof.cli.rendering import print_json, show

    if prove or against:
        raise typer.Exit(
            show_proof([name.strip() for name in against.split(",") if name.strip()], as_json=as_json)
        )
    diagnosis = diagnose(seconds)
    if as_json:
        print_json(diagnosis.to_dict())
    else:
        show(render_diagnosis(diagnosis))
