"""``energyprof report``: open, build and index the pages of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from energyprof.cli.options import OutOption, RunArgument

__all__ = ["app"]

app = typer.Typer(help="Open, build and index the pages of runs.", no_args_is_help=True)


@app.command("open", epilog="Example:  energyprof report open last")
def open_page(
    run: RunArgument = "last",
    out: OutOption = Path("reports"),
    no_browser: Annotated[bool, typer.Option("--print", help="Only print where the page is.")] = False,
) -> None:
    """Open a run's page in the browser, and print where it is."""
    from energyprof.record.store import find_run
    from energyprof.report.build import rebuild_report

    folder = find_run(run, out)
    page = folder / "report.html"
    if not page.exists():
        rebuild_report(folder)
    typer.echo(str(page))
    if not no_browser:
        typer.launch(page.resolve().as_uri())


@app.command("build", epilog="Example:  energyprof report build 20261120-152233")
def build(run: RunArgument = "last", out: OutOption = Path("reports")) -> None:
    """Build a run's report from its trace: after a kill, or with a newer energyprof."""
    from energyprof.record.store import find_run
    from energyprof.report.build import rebuild_report

    folder = find_run(run, out)
    report = rebuild_report(folder)
    typer.echo(f"{folder / 'report.html'} ({report.run.status})")


@app.command("index", epilog="Example:  energyprof report index --out reports")
def index(out: OutOption = Path("reports")) -> None:
    """Rebuild the index of all runs in a folder; files that cannot be read are listed with the reason."""
    from energyprof.report.folder import write_index

    typer.echo(str(write_index(out)))
