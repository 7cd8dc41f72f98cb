"""``energyprof export``: a run in other tools' formats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from energyprof.cli.options import OutOption, RunArgument

__all__ = ["EXAMPLE", "export"]

EXAMPLE = "Example:  energyprof export last --perfetto --csv --to exported"


def export(
    run: RunArgument = "last",
    perfetto: Annotated[bool, typer.Option("--perfetto", help="For ui.perfetto.dev.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Steps, samples and phases as CSV.")] = False,
    parquet: Annotated[bool, typer.Option("--parquet", help="The same as Parquet.")] = False,
    to: Annotated[Path | None, typer.Option(help="The folder to write to; default: the run's own.")] = None,
    out: OutOption = Path("reports"),
) -> None:
    """Write a run's trace in other tools' formats; prints the files."""
    from energyprof.cli.exporting import export_run
    from energyprof.cli.named_runs import run_folder

    formats = {"perfetto": perfetto, "csv": csv, "parquet": parquet}
    for path in export_run(run_folder(run, out), [name for name, wanted in formats.items() if wanted], to):
        typer.echo(str(path))
