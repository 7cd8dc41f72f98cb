"""Options that several commands share, worded once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "GithubOption",
    "JsonOption",
    "JunitFileOption",
    "MarkdownFileOption",
    "OpenmetricsFileOption",
    "OutOption",
    "QuietOption",
    "RunArgument",
    "RunsArgument",
    "VerdictFileOption",
    "refuse_bare_share",
]


def refuse_bare_share(option: typer.CallbackParam, text: str | None) -> str | None:
    """Refuse what is no share, and a share written as a bare number from 1 on: 5 would mean 500 %.

    Raises:
        UsageError: it is.
    """
    from energyprof.errors import UsageError
    from energyprof.units import is_bare_share, parse_quantity

    if text is None:
        return None
    try:
        share = parse_quantity(text, "fraction")
    except UsageError as error:
        raise UsageError(f"--{option.name} {text} is no share: write --{option.name} 5%") from error
    if is_bare_share(text, share):
        raise UsageError(f"--{option.name} {text} would mean {share:.0%}: write --{option.name} {share:g}%")
    return text


JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout instead.")]
OutOption = Annotated[Path, typer.Option("--out", help="The folder of all runs.")]
RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="A run folder, its report.json, a unique id prefix, or 'last'.")
]

RunsArgument = Annotated[
    list[str],
    typer.Argument(metavar="RUN...", help="Run folders, report.json files, ids, or folders of runs."),
]

# The forms of a verdict, for every command that judges.
VerdictFileOption = Annotated[Path | None, typer.Option("--json", help="Write the verdict; - for stdout.")]
MarkdownFileOption = Annotated[Path | None, typer.Option("--markdown", help="Write it as Markdown.")]
JunitFileOption = Annotated[Path | None, typer.Option("--junit", help="Write it as JUnit XML.")]
OpenmetricsFileOption = Annotated[
    Path | None, typer.Option("--openmetrics", help="Write it as OpenMetrics text.")
]
GithubOption = Annotated[bool, typer.Option("--github", help="Print annotations, fill the step summary.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Only the sentence.")]
