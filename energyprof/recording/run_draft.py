"""The draft of a run's report: what is known besides its trace, from its first second to its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from energyprof.record.environment import collect_environment
from energyprof.record.model import (
    Carbon,
    CrossCheck,
    Environment,
    Flag,
    GpuInfo,
    MemoryByCause,
    Overhead,
    Report,
    RunInfo,
    SensorInfo,
    Severity,
    ToolBeside,
    Totals,
    WindowInfo,
)
from energyprof.recording.stated_facts import PLACE_FACTS, WORK_FACTS, checked_accounts, checked_facts
from energyprof.recording.termination import how_it_ended

__all__ = ["RunDraft", "instant_text"]


class RunDraft:
    """Collects what a run is told about itself; before the run begins there is no report yet."""

    def __init__(self) -> None:
        self._begun: Report | None = None
        self._facts: dict[str, Any] = {}
        self._accounts: dict[str, Any] = {}
        self._flags: list[Flag] = []
        self._beside: ToolBeside | None = None

    def describe(self, **facts: Any) -> Report | None:
        """Note fields of ``workload``, or of where it is computed; return the report as :attr:`report`.

        Raises:
            UnknownName: a field that the record does not have.
            UsageError: a value that its field cannot hold.
        """
        checked_facts(facts)
        self._facts.update(facts)
        return self.report

    def account(
        self,
        flops: float | None = None,
        memory: MemoryByCause | None = None,
        peak_device_memory_bytes: int | None = None,
        includes: Sequence[str] | None = None,
    ) -> Report | None:
        """Note figures that the training code knows; None says nothing. Return the report as :attr:`report`.

        Raises:
            UsageError: a figure that cannot be meant, or a part of the window that there is not.
        """
        self._accounts.update(checked_accounts(flops, memory, peak_device_memory_bytes, includes))
        return self.report

    def note(
        self, code: str, message: str, severity: Severity = Severity.INFO, field: str | None = None
    ) -> None:
        """Note something that a reader of the figures must know."""
        self._flags.append(Flag(code=code, severity=severity, message=message, field=field))

    def beside(self, tool: ToolBeside | None, problem: str | None = None) -> None:
        """Note which other tool measures this run too, and what it found once it has, or why it did not."""
        self._beside = tool
        if problem is not None:
            message = f"CodeCarbon gave no figures: {problem.rstrip('.')}."
            self.note("codecarbon-failed", message, Severity.WARNING, "cross_check.codecarbon")

    def begin(
        self, run: RunInfo, *, gpus: tuple[GpuInfo, ...], sensors: tuple[SensorInfo, ...], carbon: Carbon
    ) -> Report:
        """Say which run it is, what it can use and what is read of it; return its first report."""
        self._begun = Report(
            run=run,
            environment=collect_environment(gpus),
            sensors=sensors,
            carbon=carbon,
        )
        return self._described(self._begun)

    @property
    def report(self) -> Report | None:
        """Return the report as far as it is known, or None before the run has begun."""
        return None if self._begun is None else self._described(self._begun)

    def _described(self, begun: Report) -> Report:
        facts = self._facts
        work = {name: value for name, value in facts.items() if name in WORK_FACTS}
        place: dict[str, Any] = {name: facts[name] for name in PLACE_FACTS if name in facts}
        environment: Environment = replace(begun.environment, **place)
        return replace(
            begun,
            workload=replace(begun.workload, **work),
            environment=environment,
            window=WindowInfo(includes=tuple(self._accounts.get("includes", ()))),
            cross_check=CrossCheck(codecarbon=self._beside),
            flags=tuple(self._flags),
        )

    def ended(
        self,
        error: BaseException | None,
        *,
        at_ns: int,
        sensors: tuple[SensorInfo, ...],
        overhead: Overhead,
    ) -> Report:
        """Return all that is known when the run is over.

        Args:
            error: what ended it, if anything did.
            at_ns: when, on the wall clock.
            sensors: with what was observed of them.
            overhead: what recording has cost.
        """
        report, accounts = self.report, self._accounts
        assert report is not None
        status, reason = how_it_ended(error)
        return replace(
            report,
            run=replace(report.run, status=status, error=reason, ended_at=instant_text(at_ns)),
            sensors=sensors,
            totals=Totals(flops=accounts.get("flops"), peak_device_memory_bytes=accounts.get("peak")),
            memory=accounts.get("memory", MemoryByCause()),
            overhead=overhead,
        )


def instant_text(wall_ns: int) -> str:
    """Return nanoseconds since the epoch as ISO 8601 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(wall_ns / 1e9, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
