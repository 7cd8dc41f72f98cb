"""``energyprof compare``: runs side by side, comparability first."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from energyprof.cli.options import JsonOption, OutOption, RunsArgument, refuse_bare_share

__all__ = ["EXAMPLE", "compare"]

EXAMPLE = (
    "Example:  energyprof compare reports/2026* --target 'validation_accuracy>=0.97' --html compare.html"
)


def compare(
    runs: RunsArgument,
    out: OutOption = Path("reports"),
    reference: Annotated[str | None, typer.Option(help="The arm that ratios are against.")] = None,
    target: Annotated[
        str | None, typer.Option(help="What counts as learned: 'validation_accuracy>=0.97'.")
    ] = None,
    margin: Annotated[str, typer.Option(callback=refuse_bare_share, help="What counts as equal.")] = "5%",
    html: Annotated[Path | None, typer.Option(help="Write the comparison as a page.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    latex: Annotated[bool, typer.Option("--latex", help="Print a LaTeX table.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare runs: which may be compared at all, what each took, and the ratios with their intervals."""
    from energyprof.analysis.comparison import compare as compare_reports
    from energyprof.analysis.reaching import parse_target
    from energyprof.cli.named_runs import named_runs
    from energyprof.cli.rendering import show_comparison, write_page
    from energyprof.cli.unsaid import say_what_was_not_said
    from energyprof.units import parse_quantity

    named = named_runs(runs, out)
    comparison = compare_reports(
        [run.report for run in named],
        reference=reference,
        target=parse_target(target) if target else None,
        margin=parse_quantity(margin, "fraction"),
    )
    show_comparison(comparison, markdown=markdown, latex=latex, as_json=as_json)
    say_what_was_not_said(comparison)
    if html is not None:
        write_page(comparison, html, {run.report.run.id: run.folder for run in named if run.folder})
