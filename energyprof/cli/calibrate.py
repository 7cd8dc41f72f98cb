"""``energyprof calibrate``: find out how this machine's GPU sensors behave, and keep it for later runs."""

from __future__ import annotations

from typing import Annotated

import typer

from energyprof.cli.options import JsonOption

__all__ = ["EXAMPLE", "calibrate"]

EXAMPLE = "Example:  energyprof calibrate --seconds 60"


def calibrate(
    seconds: Annotated[float, typer.Option(min=10, max=3600, help="How long to take for each GPU.")] = 60.0,
    idle_only: Annotated[
        bool, typer.Option("--idle-only", help="Put no load on the GPU: refresh, idle power and noise only.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure refresh, window, lag, idle power and noise of each GPU, and keep them for later runs."""
    from energyprof.cli.calibrating import calibrate_gpus, render_calibration
    from energyprof.cli.rendering import print_json, show

    found = calibrate_gpus(seconds, load=not idle_only)
    if as_json:
        print_json([calibration.to_dict() for calibration in found])
        return
    for calibrated in found:
        show(render_calibration(calibrated))
