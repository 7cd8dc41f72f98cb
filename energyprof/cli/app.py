"""The commands, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from energyprof.cli import (
    ab,
    baseline,
    calibrate,
    check,
    compare,
    doctor,
    explain,
    export,
    listing,
    plan,
    report,
    restop,
    run,
    schema,
)

__all__ = ["app"]

app = typer.Typer(
    name="energyprof",
    help="Energy and hardware profiling for training algorithms: joules a step, with bounds and provenance.",
    epilog="Start with:  energyprof run --algo mf",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from energyprof import __version__

        typer.echo(f"energyprof {__version__}")
        raise typer.Exit


@app.callback()
def energyprof(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Energy and hardware profiling for training algorithms: joules a step, with bounds and provenance."""


app.command("run", epilog=run.EXAMPLE)(run.run)
app.command("compare", epilog=compare.EXAMPLE)(compare.compare)
app.command("explain", epilog=explain.EXAMPLE)(explain.explain)
app.command("restop", epilog=restop.EXAMPLE)(restop.restop)
app.command("check", epilog=check.EXAMPLE)(check.check)
app.command("ab", epilog=ab.EXAMPLE)(ab.ab)
app.add_typer(baseline.app, name="baseline")
app.command("plan", epilog=plan.EXAMPLE)(plan.plan)
app.command("export", epilog=export.EXAMPLE)(export.export)
app.add_typer(report.app, name="report")
app.command("doctor", epilog=doctor.EXAMPLE)(doctor.doctor)
app.command("calibrate", epilog=calibrate.EXAMPLE)(calibrate.calibrate)
app.add_typer(listing.app, name="list")
app.command("schema", epilog=schema.EXAMPLE)(schema.schema)
