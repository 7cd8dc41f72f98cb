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
    "VerdictFileOption",
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout instead.")]
OutOption = Annotated[Path, typer.Option("--out", help="The folder of all runs.")]
RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="A run folder, its report.json, a unique id prefix, or 'last'.")
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
