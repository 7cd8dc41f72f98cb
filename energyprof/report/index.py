"""The page of a folder of runs: filter, sort, tick to compare, and the trend of every workload."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from markupsafe import Markup

from energyprof.analysis.trend import ChangePoint, change_points
from energyprof.record.model import Report, RunStatus, Severity
from energyprof.report.chart import Axis, Label, Scale, axis, dot, line, plot, rule
from energyprof.report.folder import FolderEntry
from energyprof.report.page import render_page
from energyprof.report.words import percent
from energyprof.units import format_energy

__all__ = ["Line", "Trend", "render_index", "trends_of"]

_LEAST_RUNS: Final = 3
_MOST_TRENDS: Final = 24
_DRAWN: Final = 300  # newest runs of a trend that are drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One run as a line of the table."""

    entry: FolderEntry
    report: Report
    href: str | None
    device: str
    accuracy: float | None
    warnings: int
    promoted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """The runs of one workload in order of time."""

    title: str
    reports: tuple[Report, ...]
    changes: tuple[ChangePoint, ...]
    chart: Markup
    said: str


def render_index(entries: Sequence[FolderEntry], promoted: Collection[str] = ()) -> str:
    """Render the index of a folder as one HTML file that asks for nothing; its links are relative.

    Args:
        entries: from :func:`energyprof.report.folder.read_folder`, oldest first.
        promoted: ids of runs that stand in a baseline.
    """
    lines = [_line(entry, entry.report, promoted) for entry in reversed(entries) if entry.report is not None]
    trends = trends_of([line.report for line in reversed(lines)], promoted)
    contents = [("runs", "Runs")]
    contents += [("trends", "Trends")] if trends else []
    broken = [entry for entry in entries if entry.report is None]
    contents += [("unreadable", "Not readable")] if broken else []
    return render_page(
        "index.html",
        title="Runs · energyprof",
        data={"kind": "index", "name": "runs", "ids": [line.entry.folder for line in lines]},
        scripts=("page.js", "index.js"),
        contents=contents,
        lines=lines,
        choices=_choices(lines),
        trends=trends[:_MOST_TRENDS],
        more_trends=max(0, len(trends) - _MOST_TRENDS),
        broken=broken,
        energyprof=lines[0].report.environment.energyprof if lines else None,
    )


def trends_of(reports: Sequence[Report], promoted: Collection[str] = ()) -> list[Trend]:
    """Sort runs into workloads and draw each that has at least three finished runs, the largest first.

    Args:
        reports: in order of time.
        promoted: ids of runs that stand in a baseline.
    """
    groups: dict[tuple[str, ...], list[Report]] = {}
    for report in reports:
        value = report.totals.energy_j.value
        if report.run.status is RunStatus.COMPLETED and value is not None and value > 0:
            groups.setdefault(_workload(report), []).append(report)
    large = sorted((g for g in groups.items() if len(g[1]) >= _LEAST_RUNS), key=lambda g: -len(g[1]))
    return [_trend(" · ".join(key), group[-_DRAWN:], promoted) for key, group in large]


def _workload(report: Report) -> tuple[str, ...]:
    work = report.workload
    parts = (work.algo, work.dataset, work.arch, work.schedule, _device(report))
    return tuple(str(part) for part in parts if part is not None) or (report.run.name,)


def _device(report: Report) -> str:
    env = report.environment
    on_gpu = bool(env.gpus) and not (env.device or "").startswith("cpu")
    return env.gpus[0].name if on_gpu else (env.cpu or env.platform)


def _line(entry: FolderEntry, report: Report, promoted: Collection[str]) -> Line:
    quality = report.quality
    return Line(
        entry=entry,
        report=report,
        href=f"{quote(entry.folder)}/report.html" if entry.page else None,
        device=_device(report),
        accuracy=quality.test_accuracy if quality.test_accuracy is not None else quality.validation_accuracy,
        warnings=sum(flag.severity is not Severity.INFO for flag in report.flags),
        promoted=report.run.id in promoted,
    )


def _choices(lines: Sequence[Line]) -> dict[str, list[str]]:
    columns: dict[str, list[str | None]] = {
        "learner": [line.report.workload.algo for line in lines],
        "data": [line.report.workload.dataset for line in lines],
        "device": [line.device for line in lines],
        "status": [line.report.run.status.value for line in lines],
    }
    found = {name: sorted({value for value in values if value}) for name, values in columns.items()}
    return {name: values for name, values in found.items() if len(values) > 1}


def _trend(title: str, reports: Sequence[Report], promoted: Collection[str]) -> Trend:
    values = [report.totals.energy_j.value or math.nan for report in reports]
    changes = change_points(values)
    return Trend(
        title=title,
        reports=tuple(reports),
        changes=changes,
        chart=_chart(title, reports, values, changes, promoted),
        said=_said(reports, values, changes),
    )


def _chart(
    title: str,
    reports: Sequence[Report],
    values: Sequence[float],
    changes: Sequence[ChangePoint],
    promoted: Collection[str],
) -> Markup:
    last = len(values) - 1
    first, newest, day = _moments(reports[0].run.started_at, reports[-1].run.started_at)
    x = Axis(
        scale=Scale(low=-0.5, high=last + 0.5),
        title=f"runs{day} in order of time",
        ticks=((0, first), (last, newest)),
    )
    y = axis(values, "energy", "J", count=3)
    kept = [values[k] for k, report in enumerate(reports) if report.run.id in promoted]
    marks = [rule(x, change.index - 0.5) for change in changes]
    if kept:
        level = math.exp(math.fsum(map(math.log, kept)) / len(kept))
        marks.append(line(x, y, [x.scale.low, x.scale.high], [level, level], "s3 k1"))
    marks += [
        dot(
            x,
            y,
            k,
            v,
            "s2 big" if report.run.id in promoted else "s1",
            f"{report.run.id}: {format_energy(v)}",
        )
        for k, (v, report) in enumerate(zip(values, reports, strict=True))
    ]
    labels = [
        Label(x=change.index - 0.5, y=y.scale.high, text=f"{_signed(change.ratio)}", side="over")
        for change in changes
    ]
    said = f"Energy of {len(values)} runs of {title} over time, {len(changes)} steps."
    return plot(x, y, marks, label=said, labels=labels, height="small")


def _moments(first: str, last: str) -> tuple[str, str, str]:
    """Return two ISO times as short as tells them apart: dates, or times of the day that is named last."""
    if first[:10] != last[:10]:
        return first[:10], last[:10], ""
    return first[11:16], last[11:16], f" of {first[:10]}"


def _said(reports: Sequence[Report], values: Sequence[float], changes: Sequence[ChangePoint]) -> str:
    text = f"{len(values)} runs, {format_energy(min(values))} to {format_energy(max(values))}"
    if not changes:
        return f"{text}; no step."
    steps = [f"{_signed(c.ratio)} from {reports[c.index].run.id}" for c in changes]
    return f"{text}; {'; '.join(steps)}."


def _signed(ratio: float) -> str:
    return f"{'+' if ratio >= 1 else '−'}{percent(abs(ratio - 1))}"
