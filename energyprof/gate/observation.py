"""One run as one side of a comparison sees it: a number a metric, and what decides whether it counts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from energyprof.analysis.comparability import comparability_key
from energyprof.errors import RecordError
from energyprof.gate.budget import Budget
from energyprof.gate.metric import METRICS, Metric, Reading
from energyprof.gate.target import readings_to_target
from energyprof.record.json_lines import line_of_byte, line_of_place
from energyprof.record.model import Report, RunStatus, Severity
from energyprof.record.schema import parse_report

__all__ = ["SELECTABLE", "GateRun", "Observation", "labels", "load_run", "observe", "parse_time"]

#: What ``select`` and the placeholders of a baseline's path can name.
SELECTABLE: Final = (
    "algo",
    "arch",
    "batch_size",
    "compiled",
    "dataset",
    "device",
    "name",
    "precision",
    "schedule",
    "twin_of",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRun:
    """A report as it was read.

    Attributes:
        digest: sha256 of the file: tells a copy of a run from another run.
        unfit: metric -> the file and line of a value that it cannot have.
    """

    report: Report
    digest: str
    unfit: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Return the run's id."""
        return self.report.run.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A run of one side.

    Attributes:
        started_at: in UTC, or None where the run does not say.
        host: tells hosts apart, names none.
        key: what must be equal, see :mod:`energyprof.analysis.comparability`.
        flags: codes of its flags that are more than a note.
        readings: metric name -> figure.
    """

    id: str
    digest: str
    status: RunStatus
    started_at: datetime | None
    ended_at: datetime | None
    host: str | None
    seed: int | None
    git_sha: str | None = None
    device: str | None = None
    key: Mapping[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    readings: Mapping[str, Reading] = field(default_factory=dict)

    def value(self, metric: str) -> float | None:
        """Return a figure, or None where the run does not have it."""
        reading = self.readings.get(metric)
        return None if reading is None else reading.value


def load_run(path: Path, name: str | None = None) -> GateRun:
    """Read a report.

    Raises:
        RecordError: it cannot be read or is no report.
    """
    shown = name or str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RecordError(f"{shown}:{line_of_byte(error)}: it is not UTF-8 text: no report.json") from error
    except OSError as error:
        raise RecordError(f"cannot read {shown}: {error.strerror}") from error
    report = parse_report(text, shown)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return GateRun(report=report, digest=digest, unfit=_unfit_places(report, text, shown))


def _unfit_places(report: Report, text: str, shown: str) -> dict[str, str]:
    found = {}
    for name, metric in METRICS.items():
        reading = metric.read(report)
        if reading is not None and not metric.fits(reading.value):
            table = "quality" if metric.is_accuracy else "totals"
            found[name] = f"{shown}:{line_of_place(text, (table, name, 'value'))}"
    return found


def observe(run: GateRun, budget: Budget | None = None) -> Observation:
    """Return what a budget sees of a run: every metric, and those that only this budget defines."""
    report = run.report
    metrics: Iterable[Metric] = {
        **METRICS,
        **{entry.metric.name: entry.metric for entry in (budget.metrics if budget else ())},
    }.values()
    readings = {m.name: reading for m in metrics if (reading := m.read(report)) is not None}
    readings |= {name: replace(readings[name], place=place) for name, place in run.unfit.items()}
    if budget is not None and budget.target is not None:
        readings.update(readings_to_target(report, budget.target))
    return Observation(
        id=report.run.id,
        digest=run.digest,
        status=report.run.status,
        started_at=parse_time(report.run.started_at),
        ended_at=parse_time(report.run.ended_at),
        host=report.environment.hostname_hash,
        seed=report.run.seed,
        git_sha=report.environment.git_sha,
        device=labels(report)["device"],
        key=comparability_key(report),
        flags=tuple(dict.fromkeys(f.code for f in report.flags if f.severity is not Severity.INFO)),
        readings=readings,
    )


def labels(report: Report) -> dict[str, Any]:
    """Return what ``select`` compares: the workload's names, the run's name and the device's."""
    found = {name: getattr(report.workload, name, None) for name in SELECTABLE}
    key = comparability_key(report)
    return {**found, "name": report.run.name, "device": " + ".join(key["device"])}


def parse_time(text: str | None) -> datetime | None:
    """Read an ISO 8601 time; None where there is none or it is none. Without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
