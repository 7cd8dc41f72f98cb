"""Memory by cause: parameters, gradients, optimizer state, activations, the rest."""

from __future__ import annotations

from dataclasses import fields

from energyprof.analysis.peak_memory import is_of_whole_card
from energyprof.record.model import Report
from energyprof.report.page import fragment
from energyprof.report.section import Section
from energyprof.report.view import RunView
from energyprof.report.words import DASH, reason_for
from energyprof.units import format_bytes

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
        facts=_facts(view.report),
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


def _facts(report: Report) -> list[tuple[str, str]]:
    """Return the peaks and whose they are; where one is missing, why."""
    where = "in use on the whole card" if is_of_whole_card(report) else "on the device"
    device, host = "peak_device_memory_bytes", "peak_host_memory_bytes"
    return [
        (
            f"Peak {where}",
            _bytes(getattr(report.totals, device), reason_for(report, f"totals.{device}", DASH)),
        ),
        (
            "Peak on the host",
            _bytes(getattr(report.totals, host), reason_for(report, f"totals.{host}", DASH)),
        ),
        ("Memory of the host", _bytes(report.environment.memory_bytes, DASH)),
    ]


def _bytes(memory_bytes: int | None, absent: str) -> str:
    return absent if memory_bytes is None else format_bytes(memory_bytes)


def _spoken(name: str) -> str:
    return _SPOKEN.get(name, name)
