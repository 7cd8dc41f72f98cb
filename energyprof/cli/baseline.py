"""``energyprof baseline``: promote, show and compare what a team has accepted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(
    help="Promoted runs: what the gate holds new runs against.",
    epilog="Example:  energyprof baseline promote --budget mnist-mf --reason 'first'",
    no_args_is_help=True,
)

ConfigOption = Annotated[Path | None, typer.Option("--config", help="Budget file (energyprof.toml).")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the machine form.")]


@app.command("promote", epilog="Example:  energyprof baseline promote --budget mnist-mf --reason 'first'")
def promote(
    budget: Annotated[str, typer.Option(help="The budget they are promoted for.")],
    reason: Annotated[str, typer.Option(help="Why these; kept in the file.")],
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN]...", help="Runs, or folders of runs; none for all.")
    ] = None,
    accept_regression: Annotated[
        bool, typer.Option("--accept-regression", help="Although they fail against the present baseline.")
    ] = False,
    config: ConfigOption = None,
    out: Annotated[Path, typer.Option(help="The folder of all runs.")] = Path("reports"),
) -> None:
    """Make runs the baseline of a budget. Refuses runs that failed, carry flags or are a regression."""
    from energyprof.gate.promotion_session import promote_runs

    path, count = promote_runs(
        runs or (), out=out, config=config, budget=budget, reason=reason, accept_regression=accept_regression
    )
    typer.echo(f"promoted {count} {'run' if count == 1 else 'runs'} to {path}: commit it")


@app.command("show", epilog="Example:  energyprof baseline show baselines/mnist-mf/cpu.json")
def show(
    file: Annotated[Path, typer.Argument(help="A baseline file.")],
    json_form: JsonOption = False,
) -> None:
    """Print what a baseline holds: runs, figures, noise, commit and reason."""
    from energyprof.gate.baseline_file import read_baseline, render_baseline
    from energyprof.gate.baseline_text import render_baseline_text
    from energyprof.gate.session import shown_path

    baseline = read_baseline(file, shown_path(file))
    typer.echo((render_baseline if json_form else render_baseline_text)(baseline), nl=False)


@app.command("diff", epilog="Example:  energyprof baseline diff old.json baselines/mnist-mf/cpu.json")
def diff(
    old: Annotated[Path, typer.Argument(help="A baseline file.")],
    new: Annotated[Path, typer.Argument(help="Another one.")],
    json_form: JsonOption = False,
) -> None:
    """Print how two baselines differ: each metric as a ratio with its interval, and what is not equal."""
    from energyprof.gate.baseline_file import read_baseline
    from energyprof.gate.baseline_text import diff_baselines, render_diff, render_diff_json
    from energyprof.gate.session import shown_path

    found = diff_baselines(read_baseline(old, shown_path(old)), read_baseline(new, shown_path(new)))
    typer.echo((render_diff_json if json_form else render_diff)(found), nl=False)
