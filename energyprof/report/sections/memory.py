"""Memory by cause: parameters, gradients, optimizer state, activations, the rest."""

from __future__ import annotations

from dataclasses import fields

from energyprof.record.model import Report
from energyprof.report.page import fragment
from energyprof.report.section import Section
from energyprof.report.view import RunView

__all__ = ["causes_of", "section"]

_SPOKEN = {"optimizer_state": "optimizer state", "other": "the rest"}
_OPTIONAL = ("cache",)  # a cause that most training does not have


def section(view: RunView) -> Section:
    """Build the section."""
    causes = causes_of(view.report)
    body = fragment(
        "run_memory.html",
        causes=causes,
        total=sum(size for _, size in causes),
        unknown=[
            _spoken(f.name)
            for f in fields(view.report.memory)
            if getattr(view.report.memory, f.name) is None and f.name not in _OPTIONAL
        ],
        totals=view.report.totals,
        environment=view.report.environment,
    )
    return Section(
        key="memory",
        short="Memory",
        title="Memory by cause",
        about="What training held in memory at its peak. A layer-local learner need not keep every "
        "activation until a backward pass; here it shows.",
        body=body,
    )


def causes_of(report: Report) -> list[tuple[str, int]]:
    """Return the known causes and their bytes, in the order of the model."""
    known = [(_spoken(f.name), getattr(report.memory, f.name)) for f in fields(report.memory)]
    return [(name, size) for name, size in known if size is not None]


def _spoken(name: str) -> str:
    return _SPOKEN.get(name, name)
