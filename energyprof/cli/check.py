"""``energyprof check``: the energy gate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["EXAMPLE", "check"]

EXAMPLE = "Example:  energyprof check reports/2026* --markdown verdict.md --junit verdict.xml"


def check(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN]...", help="Runs, or folders of runs; none for all.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Budget file (energyprof.toml or pyproject.toml).")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Baseline file, run or folder of runs to hold them against.")
    ] = None,
    budget: Annotated[list[str] | None, typer.Option(help="Only this budget; may be repeated.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Not being able to tell counts: exit 3.")] = False,
    look: Annotated[
        bool, typer.Option("--look", help="This is one of the budget's planned looks: smaller level.")
    ] = False,
    lint: Annotated[bool, typer.Option("--lint", help="Only review the budget file.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the verdict; - for stdout.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write it as Markdown.")] = None,
    junit: Annotated[Path | None, typer.Option(help="Write it as JUnit XML.")] = None,
    openmetrics: Annotated[Path | None, typer.Option(help="Write it as OpenMetrics text.")] = None,
    github: Annotated[
        bool, typer.Option("--github", help="Print annotations, fill the step summary.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the sentence.")] = False,
    out: Annotated[Path, typer.Option(help="The folder of all runs.")] = Path("reports"),
) -> None:
    """Judge runs by energy budgets. Exit 0; 1 failed, 2 usage, 3 undecided and strict, 4 invalid."""
    from energyprof.cli.verdict_printing import print_lint, print_verdict
    from energyprof.gate.session import CheckRequest, run_check

    if lint:
        raise typer.Exit(print_lint(config))
    verdict = run_check(
        CheckRequest(
            runs=runs or (),
            out=out,
            config=config,
            baseline=baseline,
            budgets=budget or (),
            strict=strict,
            planned_look=look,
        )
    )
    files = {"json": json_file, "markdown": markdown, "junit": junit, "openmetrics": openmetrics}
    raise typer.Exit(print_verdict(verdict, files, github=github, quiet=quiet))
