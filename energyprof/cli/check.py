"""``energyprof check``: the energy gate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from energyprof.cli.checking import CheckOptions, perform_check
from energyprof.cli.options import (
    GithubOption,
    JunitFileOption,
    MarkdownFileOption,
    OpenmetricsFileOption,
    OutOption,
    QuietOption,
    VerdictFileOption,
)

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
    json_file: VerdictFileOption = None,
    markdown: MarkdownFileOption = None,
    junit: JunitFileOption = None,
    openmetrics: OpenmetricsFileOption = None,
    github: GithubOption = False,
    quiet: QuietOption = False,
    out: OutOption = Path("reports"),
) -> None:
    """Judge runs by energy budgets. Exit 0; 1 failed, 2 usage, 3 undecided and strict, 4 invalid."""
    options = CheckOptions(
        runs=tuple(runs or ()), budget=tuple(budget or ()), config=config, baseline=baseline, strict=strict,
        look=look, lint=lint, json_file=json_file, markdown=markdown, junit=junit, openmetrics=openmetrics,
        github=github, quiet=quiet, out=out,
    )  # fmt: skip
    raise typer.Exit(perform_check(options))
