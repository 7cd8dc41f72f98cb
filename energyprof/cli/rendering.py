"""What commands print: one place decides between terminal, JSON and files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from energyprof.analysis.comparison import Comparison
    from energyprof.analysis.explanation import Explanation
    from energyprof.analysis.restopping import Restopped
    from energyprof.recording.run import Run

__all__ = [
    "print_json",
    "show",
    "show_comparison",
    "show_explanation",
    "show_restopped",
    "show_run",
    "write_page",
]


def show(renderable: RenderableType) -> None:
    """Print to stdout; without colour where it is piped or ``NO_COLOR`` is set."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal and console.width < 100:
        console = Console(highlight=False, width=100)
    console.print(renderable)


def print_json(data: Any) -> None:
    """Print JSON to stdout."""
    typer.echo(json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False))


def show_run(run: Run, *, as_json: bool = False) -> None:
    """Print what came of a run, and where its page is."""
    from energyprof.errors import RecordError
    from energyprof.record.schema import render_report
    from energyprof.report.terminal import run_summary

    if as_json:
        typer.echo(render_report(run.report), nl=False)
        return
    try:
        trace = run.trace
    except RecordError:
        trace = None
    show(run_summary(run.report, trace))
    typer.echo(f"\nreport  {run.html}")


def show_comparison(comparison: Comparison, *, markdown: bool, latex: bool, as_json: bool) -> None:
    """Print a comparison in the form asked for."""
    from energyprof.report.comparison_json import comparison_json
    from energyprof.report.latex import comparison_latex
    from energyprof.report.markdown import comparison_markdown
    from energyprof.report.terminal_comparison import comparison_summary

    if as_json:
        print_json(comparison_json(comparison))
    elif markdown:
        typer.echo(comparison_markdown(comparison))
    elif latex:
        typer.echo(comparison_latex(comparison))
    else:
        show(comparison_summary(comparison))


def write_page(comparison: Comparison, path: Path, folders: Mapping[str, Path]) -> None:
    """Write the page of a comparison, linked to the pages of its runs where these are there.

    Args:
        comparison: what is shown.
        path: the file.
        folders: run id -> its folder.
    """
    from energyprof.record.schema import write_text
    from energyprof.report.compare import render_comparison

    links = {run: _link(folder / "report.html", path) for run, folder in folders.items()}
    indexes = {_link(folder.parent / "index.html", path) for folder in folders.values()}
    index = indexes.pop() if len(indexes) == 1 else None
    write_text(path, render_comparison(comparison, {run: at for run, at in links.items() if at}, index))
    typer.echo(f"page  {path}", err=True)


def _link(target: Path, page: Path) -> str | None:
    """Return the address of a file relative to a page, or None where it is not there."""
    if not target.is_file():
        return None
    return quote(Path(os.path.relpath(target.resolve(), page.parent.resolve())).as_posix())


def show_explanation(explanation: Explanation, *, as_json: bool) -> None:
    """Print where a ratio comes from."""
    from energyprof.report.comparison_json import explanation_json
    from energyprof.report.terminal_comparison import explanation_summary

    if as_json:
        print_json(explanation_json(explanation))
    else:
        show(explanation_summary(explanation))


def show_restopped(results: list[Restopped], *, as_json: bool) -> None:
    """Print runs under another stopping rule."""
    from energyprof.report.comparison_json import restop_json
    from energyprof.report.terminal_comparison import restop_summary

    if as_json:
        print_json(restop_json(results))
    else:
        show(restop_summary(results))
