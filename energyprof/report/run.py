"""The page of one run: a header, the answer, how far to trust it, and the sections behind it."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from typing import Any, Final

from energyprof.record.model import Report, Severity
from energyprof.record.schema import render_report
from energyprof.record.trace import Trace
from energyprof.report.epochs import MOST_EPOCHS
from energyprof.report.flags import Gathered, gathered
from energyprof.report.page import render_page
from energyprof.report.section import Section
from energyprof.report.sections import energy, learner, learning, memory, method, steps, timeline
from energyprof.report.sections.answer import answers_of, lead_of
from energyprof.report.view import RunView
from energyprof.units import format_count, format_duration

__all__ = ["SECTIONS", "render_run"]

SECTIONS: Final[tuple[Callable[[RunView], Section | None], ...]] = (
    energy.section,
    timeline.section,
    steps.section,
    learning.section,
    memory.section,
    learner.section,
    method.section,
)

_CHECKS = (
    "throttling, sampling gaps, other processes on the device, windows too short for the sensor, input-bound "
    "training, evaluation or checkpoints inside the window"
)


def render_run(report: Report, trace: Trace | None) -> str:
    """Render a run's page: one HTML file that asks for nothing.

    Args:
        report: the run's report.
        trace: its trace, or None where the files are missing: the page then has no timeline of power.

    Returns:
        The page. The same report and trace give the same text.
    """
    view = RunView(report, trace)
    sections = [section for build in SECTIONS if (section := build(view)) is not None]
    flags, notes, reasons = _flags(report)
    return render_page(
        "run.html",
        title=f"{report.run.name} · energyprof",
        data=_data(view),
        scripts=(
            "uplot.min.js",
            "page.js",
            "progress.js",
            "phases.js",
            "panels.js",
            "charts.js",
            "timeline.js",
        )
        if view.panels
        else ("page.js", "progress.js"),
        contents=[
            ("answer", "Answer"),
            ("quality", "Trust"),
            *((s.key, s.short or s.title) for s in sections),
        ],
        run=report.run,
        lead=lead_of(report),
        identity=_identity(report),
        answers=answers_of(report),
        flags=flags,
        notes=notes,
        reasons=reasons,
        checks=_CHECKS,
        sections=sections,
        has_steps=view.steps is not None,
        has_trace=trace is not None,
        energyprof=report.environment.energyprof,
    )


def _flags(report: Report) -> tuple[list[Gathered], list[Gathered], list[Gathered]]:
    """Split the flags: warnings and worse, gravest first; notes; reasons for figures that are missing."""
    ordered = gathered(report.flags)
    notes = [item for item in ordered if item.flag.severity is Severity.INFO]
    return (
        [item for item in ordered if item.flag.severity is not Severity.INFO],
        [item for item in notes if item.flag.field is None],
        [item for item in notes if item.flag.field is not None],
    )


def _identity(report: Report) -> list[tuple[str, str]]:
    run, work, env = report.run, report.workload, report.environment
    rows = [
        ("status", run.status.value),
        ("learner", work.algo),
        ("data", work.dataset),
        ("architecture", work.arch),
        (
            "device",
            env.gpus[0].name if len(env.gpus) == 1 else f"{len(env.gpus)} GPUs" if env.gpus else env.cpu,
        ),
        ("steps", format_count(report.totals.steps)),
        ("seed", None if run.seed is None else str(run.seed)),
        ("started", run.started_at.replace("T", " ")[:19]),
        ("took", format_duration(report.totals.duration_s)),
        ("commit", env.git_sha[:9] if env.git_sha else None),
    ]
    return [(name, value) for name, value in rows if value]


def _data(view: RunView) -> dict[str, Any]:
    return {
        "kind": "run",
        "name": view.report.run.id,
        **_report_data(view.report),
        "timeline": timeline.data(view),
        "steps": steps.data(view),
    }


def _report_data(report: Report) -> dict[str, Any]:
    """Return the report; of very many epochs those that are shown, and the whole text packed beside it."""
    text = render_report(report)
    data = json.loads(text)
    if len(report.epochs) <= MOST_EPOCHS:
        return {"report": data}
    return {
        "report": {**data, "epochs": []},
        "whole": base64.b64encode(zlib.compress(text.encode(), 9)).decode(),
    }
