"""Options that several commands share, worded once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["JsonOption", "OutOption", "RunArgument"]

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout instead.")]
OutOption = Annotated[Path, typer.Option("--out", help="The folder of all runs.")]
RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="A run folder, its report.json, a unique id prefix, or 'last'.")
]
