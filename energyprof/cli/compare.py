"""``energyprof compare``: runs side by side, comparability first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from energyprof.cli.options import JsonOption, OutOption

if TYPE_CHECKING:
    from energyprof.record.model import Report

__all__ = ["EXAMPLE", "compare", "read_run", "read_runs"]

EXAMPLE = (
    "Example:  energyprof compare reports/2026* --target 'validation_accuracy>=0.97' --html compare.html"
)


def compare(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Run folders, report.json files or ids.")
    ],
    out: OutOption = Path("reports"),
    reference: Annotated[str | None, typer.Option(help="The arm that ratios are against.")] = None,
    target: Annotated[
        str | None, typer.Option(help="What counts as learned: 'validation_accuracy>=0.97'.")
    ] = None,
    margin: Annotated[str, typer.Option(help="What counts as equal.")] = "5%",
    html: Annotated[Path | None, typer.Option(help="Write the comparison as a page.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    latex: Annotated[bool, typer.Option("--latex", help="Print a LaTeX table.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare runs: which may be compared at all, what each took, and the ratios with their intervals."""
    from energyprof.analysis.comparison import compare as compare_reports
    from energyprof.analysis.reaching import parse_target
    from energyprof.cli.rendering import show_comparison, write_page
    from energyprof.record.store import find_run
    from energyprof.units import parse_quantity

    folders = [find_run(run, out) for run in runs]
    reports = [read_run(folder) for folder in folders]
    comparison = compare_reports(
        reports,
        reference=reference,
        target=parse_target(target) if target else None,
        margin=parse_quantity(margin, "fraction"),
    )
    show_comparison(comparison, markdown=markdown, latex=latex, as_json=as_json)
    if html is not None:
        write_page(comparison, html, {r.run.id: folder for r, folder in zip(reports, folders, strict=True)})


def read_runs(references: list[str], out: Path) -> list[Report]:
    """Read the reports of the runs that a person named."""
    from energyprof.record.store import find_run

    return [read_run(find_run(reference, out)) for reference in references]


def read_run(folder: Path) -> Report:
    """Read the report of a run folder.

    Raises:
        RecordError: it cannot be read, or the run was killed before there was one.
    """
    from energyprof.errors import RecordError
    from energyprof.record.schema import read_report
    from energyprof.record.store import REPORT_JSON

    if not (folder / REPORT_JSON).exists():
        raise RecordError(
            f"run {folder.name} has no {REPORT_JSON} (it was killed): energyprof report build {folder.name}"
        )
    return read_report(folder / REPORT_JSON)
