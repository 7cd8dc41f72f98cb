"""Every form of a verdict; each a pure function of the verdict's data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from energyprof.gate.outputs.github import render_github
from energyprof.gate.outputs.junit import render_junit
from energyprof.gate.outputs.markdown import render_markdown
from energyprof.gate.outputs.openmetrics import render_openmetrics
from energyprof.gate.outputs.terminal import render_terminal
from energyprof.gate.verdict import Verdict, render_verdict

__all__ = ["RENDERERS"]

#: form -> renderer; a new form is one file and one line here.
RENDERERS: Final[dict[str, Callable[[Verdict], str]]] = {
    "github": render_github,
    "json": render_verdict,
    "junit": render_junit,
    "markdown": render_markdown,
    "openmetrics": render_openmetrics,
    "terminal": render_terminal,
}
