"""The two sides of a comparison: which runs count, and how they stand to each other in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final

from energyprof.analysis.comparability import Strictness, key_differences
from energyprof.gate.budget import Budget
from energyprof.gate.observation import GateRun, Observation, labels
from energyprof.gate.verdict import RunNote
from energyprof.record.model import RunStatus

__all__ = [
    "Arrangement",
    "Side",
    "arrange",
    "ended",
    "mixture",
    "pair_up",
    "select_runs",
    "sittings",
    "take_side",
]

_LONGEST_PAUSE: Final = timedelta(hours=1)  # a longer one ends a sitting
_ENDED: Final = {
    RunStatus.COMPLETED: "is completed",
    RunStatus.FAILED: "failed",
    RunStatus.INTERRUPTED: "was interrupted",
    RunStatus.PARTIAL: "was killed, or is still going on",
}
_CLOCK_STEP: Final = timedelta(milliseconds=10)  # the record's times are rounded


class Arrangement(StrEnum):
    """How two sides stand to each other, by what their records say."""

    PAIRED = "paired"  # interleaved, each two neighbours with the same seed
    INTERLEAVED = "interleaved"  # one of each side in every two neighbours, seeds apart
    SEPARATE = "separate"  # measured at different times


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The runs of one side.

    Attributes:
        kept: in order of time.
        excluded: set aside by a flag that was declared beforehand.
        unfit: why the whole side cannot be judged, or None.
    """

    kept: tuple[Observation, ...]
    excluded: tuple[RunNote, ...] = ()
    unfit: str | None = None


def select_runs(budget: Budget, runs: Sequence[GateRun]) -> list[GateRun]:
    """Return the runs whose labels are what the budget selects."""
    return [run for run in runs if _matches(budget, labels(run.report))]


def take_side(runs: Sequence[Observation], flags: Sequence[str], name: str) -> Side:
    """Set runs aside by their flags; outliers are never dropped by value.

    Args:
        runs: of one side.
        flags: codes that set a run aside.
        name: ``head`` or ``base``.
    """
    ordered = tuple(sorted(runs, key=_start))
    unfinished = [run for run in ordered if run.status is not RunStatus.COMPLETED]
    if unfinished:
        seen = ", ".join(ended(run) for run in unfinished[:3])
        return Side(kept=ordered, unfit=f"{seen}: these are not the figures of a whole run, run it again")
    excluded = tuple(
        RunNote(id=run.id, side=name, why=", ".join(found))
        for run in ordered
        if (found := [flag for flag in run.flags if flag in flags])
    )
    gone = {note.id for note in excluded}
    unfit = None
    if 3 * len(excluded) > len(ordered):
        why = ", ".join(sorted({note.why for note in excluded}))
        unfit = f"{len(excluded)} of {len(ordered)} {name} runs are excluded ({why}), more than a third"
    return Side(kept=tuple(run for run in ordered if run.id not in gone), excluded=excluded, unfit=unfit)


def ended(run: Observation) -> str:
    """Say of a run that is not completed how it ended: ``run a failed``."""
    return f"run {run.id} {_ENDED[run.status]}"


def arrange(base: Sequence[Observation], head: Sequence[Observation]) -> Arrangement:
    """Tell how the sides stand to each other from the times, hosts and seeds of their records.

    Interleaved means: one host, runs one after another without overlap or a long pause, and in every two
    neighbours (first and second, third and fourth ...) one of each side.
    """
    order = _in_time(base, head)
    if order is None or len(base) != len(head):
        return Arrangement.SEPARATE
    if not _one_sitting([run for _, run in order]):
        return Arrangement.SEPARATE
    pairs = [(order[i], order[i + 1]) for i in range(0, len(order), 2)]
    if any(first[0] == second[0] for first, second in pairs):
        return Arrangement.SEPARATE
    same_seeds = all(a.seed is not None and a.seed == b.seed for (_, a), (_, b) in pairs)
    return Arrangement.PAIRED if same_seeds else Arrangement.INTERLEAVED


def pair_up(
    base: Sequence[Observation], head: Sequence[Observation]
) -> list[tuple[Observation, Observation]]:
    """Return the (base, head) pairs of paired sides, in order of time."""
    return list(zip(sorted(base, key=_start), sorted(head, key=_start), strict=True))


def sittings(runs: Sequence[Observation]) -> list[list[Observation]]:
    """Group runs into sittings: a long pause, another host or a missing time begins a new one."""
    groups: list[list[Observation]] = []
    for run in sorted(runs, key=_start):
        if groups and _one_sitting([groups[-1][-1], run]):
            groups[-1].append(run)
        else:
            groups.append([run])
    return groups


def mixture(runs: Sequence[Observation]) -> str | None:
    """Return why runs are not of one and the same thing, or None."""
    differing = [d for d in key_differences([run.key for run in runs]) if d.strictness is Strictness.REFUSE]
    return f"the runs are not comparable with one another: {differing[0]}" if differing else None


def _matches(budget: Budget, found: dict[str, Any]) -> bool:
    def fits(wanted: Any, value: Any) -> bool:
        options = wanted if isinstance(wanted, list | tuple) else [wanted]
        return any(value is not None and str(value) == str(option) for option in options)

    return all(fits(wanted, found.get(name)) for name, wanted in budget.select.items())


def _start(run: Observation) -> tuple[float, str]:
    return (run.started_at.timestamp() if run.started_at else 0.0, run.id)


def _in_time(
    base: Sequence[Observation], head: Sequence[Observation]
) -> list[tuple[str, Observation]] | None:
    runs = [("base", run) for run in base] + [("head", run) for run in head]
    if not base or not head or any(run.started_at is None or run.ended_at is None for _, run in runs):
        return None
    return sorted(runs, key=lambda entry: _start(entry[1]))


def _one_sitting(runs: Sequence[Observation]) -> bool:
    hosts = {run.host for run in runs}
    if len(hosts) > 1 or None in hosts:
        return False
    for before, after in pairwise(runs):
        if before.ended_at is None or after.started_at is None:
            return False
        pause = after.started_at - before.ended_at
        if not -_CLOCK_STEP <= pause <= _LONGEST_PAUSE:
            return False
    return True
