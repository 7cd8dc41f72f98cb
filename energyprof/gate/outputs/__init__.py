"""Every form of a verdict; each a pure function of the verdict's data."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Final

from energyprof.gate.verdict import Verdict, render_verdict

__all__ = ["RENDERERS"]


def _on_demand(form: str) -> Callable[[Verdict], str]:
    """Return ``render_<form>`` of the module of that name, loaded on first use: most checks only print."""

    def render(verdict: Verdict) -> str:
        module = import_module(f"{__name__}.{form}")
        text: str = getattr(module, f"render_{form}")(verdict)
        return text

    return render


#: form -> renderer; a new form is one file and one word here.
RENDERERS: Final[dict[str, Callable[[Verdict], str]]] = {
    "json": render_verdict,
    **{form: _on_demand(form) for form in ("github", "junit", "markdown", "openmetrics", "terminal")},
}
