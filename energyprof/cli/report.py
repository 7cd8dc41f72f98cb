"""``energyprof report``: open, build, index and serve the pages of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from energyprof.cli.options import OutOption, RunArgument

__all__ = ["app"]

app = typer.Typer(
    help="Open, build, index and serve the pages of runs.",
    epilog="Example:  energyprof report open last",
    no_args_is_help=True,
)

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="Budget file whose baselines are marked; default: the one here."),
]


@app.command("open", epilog="Example:  energyprof report open last")
def open_page(
    run: RunArgument = "last",
    out: OutOption = Path("reports"),
    no_browser: Annotated[bool, typer.Option("--print", help="Only print where the page is.")] = False,
) -> None:
    """Open a run's page in the browser, and print where it is."""
    from energyprof.cli.indexing import refresh_index
    from energyprof.cli.named_runs import run_folder
    from energyprof.report.build import rebuild_report

    folder = run_folder(run, out)
    page = folder / "report.html"
    if not page.exists():
        rebuild_report(folder)
    refresh_index(folder.parent)
    typer.echo(str(page))
    if not no_browser:
        typer.launch(page.resolve().as_uri())


@app.command("build", epilog="Example:  energyprof report build 20261120-152233")
def build(run: RunArgument = "last", out: OutOption = Path("reports")) -> None:
    """Build a run's report from its trace: after a kill, or with a newer energyprof."""
    from energyprof.cli.named_runs import run_folder
    from energyprof.report.build import rebuild_report

    folder = run_folder(run, out)
    report = rebuild_report(folder)
    typer.echo(f"{folder / 'report.html'} ({report.run.status})")


@app.command("index", epilog="Example:  energyprof report index --out reports")
def index(out: OutOption = Path("reports"), config: ConfigOption = None) -> None:
    """Rebuild the index of all runs in a folder; files that cannot be read are listed with the reason."""
    from energyprof.gate.promoted_runs import promoted_ids
    from energyprof.report.folder import write_index

    typer.echo(str(write_index(out, promoted_ids(config))))


@app.command("serve", epilog="Example:  energyprof report serve --port 8000")
def serve(
    out: OutOption = Path("reports"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="On 127.0.0.1; 0 takes a free one.")] = 0,
    config: ConfigOption = None,
) -> None:
    """Show a folder of runs to this machine's browser, read-only, with an index that is always current."""
    from energyprof.gate.promoted_runs import promoted_ids
    from energyprof.report.server import ReportServer

    with ReportServer(out, port, lambda: promoted_ids(config)) as server:
        typer.echo(server.url)
        typer.echo(f"'{out}', to this machine only and read-only; Ctrl-C ends it", err=True)
        server.serve_forever()
