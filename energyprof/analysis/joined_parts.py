"""The parts of a training that was interrupted and continued, joined into one curve.

A part that was cut off after its last checkpoint did epochs that its continuation did again. They count once
in the curve: as the part did them that went on from them. What the other copies took was spent all the same:
it stays in the total, and is told.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

from energyprof.analysis.domains import worst
from energyprof.errors import RecordError
from energyprof.record.model import Epoch, Provenance, Quantity, Report, ResumedFrom

__all__ = ["JoinedParts", "Repeat", "add_up", "join_parts"]

Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """Work on an epoch that a later part did again.

    Attributes:
        position: of the epoch in the joined curve; one beyond its end where nobody finished it.
        energy_j: that it took; of an epoch that was cut, with bounds that are certain but wide.
        duration_s: that it took.
        whole: False where the epoch was begun and cut off.
    """

    position: int
    energy_j: Quantity
    duration_s: float
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedParts:
    """A training, whole.

    Attributes:
        report: of the last part, with the epochs, energy and time of all; times count measured seconds since
            the first part's window opened.
        run_ids: of the parts, oldest first.
        repeats: work that was done again, in the order in which it was done.
    """

    report: Report
    run_ids: tuple[str, ...]
    repeats: tuple[Repeat, ...]


def join_parts(parts: Sequence[Report]) -> JoinedParts:
    """Join a training's parts.

    Args:
        parts: their reports, oldest first; each continues the one before, the first continues none.

    Raises:
        RecordError: a part lacks epochs that its checkpoint had, or does not fit the part that continues it.
    """
    epochs: list[Epoch] = []
    repeats: list[Repeat] = []
    for number, (part, following) in enumerate(pairwise(parts)):
        before = following.run.resumed_from
        assert before is not None, "a later part continues an earlier one"
        kept = before.passes - len(epochs)
        _require_fit(part, kept, before)
        repeats += _repeats(part, kept, len(epochs))
        epochs += list(_moved(part.epochs[:kept], epochs, parts[:number]))
    epochs += list(_moved(parts[-1].epochs, epochs, parts[:-1]))
    last = parts[-1]
    energy_j = add_up([part.totals.energy_j for part in parts])
    duration_s = math.fsum(part.totals.duration_s for part in parts)
    joined = replace(
        last,
        run=replace(last.run, resumed_from=None),
        totals=replace(last.totals, energy_j=energy_j, duration_s=duration_s),
        epochs=tuple(epochs),
    )
    return JoinedParts(report=joined, run_ids=tuple(part.run.id for part in parts), repeats=tuple(repeats))


def add_up(parts: Sequence[Quantity]) -> Quantity:
    """Return the sum of figures and of their bounds, 0 for none of them; missing where any figure is."""
    values = [part.value for part in parts if part.value is not None]
    if len(values) < len(parts):
        return Quantity.missing()
    low = [part.low for part in parts if part.low is not None]
    high = [part.high for part in parts if part.high is not None]
    return Quantity(
        value=math.fsum(values),
        low=math.fsum(low) if len(low) == len(parts) else None,
        high=math.fsum(high) if len(high) == len(parts) else None,
        source=worst(part.source for part in parts) if parts else Provenance.COUNTER,
    )


def _require_fit(part: Report, kept: int, before: ResumedFrom) -> None:
    """Refuse a part whose record has not the epochs that its checkpoint stands on."""
    lost = kept - len(part.epochs)
    if lost > 0:
        raise RecordError(
            f"the record of run {part.run.id} lacks the last {_epochs(lost)} before its checkpoint (it was "
            "killed within a second of them): the training's curve has a hole, apply the rule to another run"
        )
    last = part.epochs[kept - 1] if kept > 0 else None
    if last is None or (last.stage, last.index + 1) != (before.stage, before.epoch):
        raise RecordError(
            f"run {part.run.id} was not left after {_epochs(before.epoch)} of '{before.stage}', where its "
            "continuation begins: its record was replaced by another"
        )


def _repeats(part: Report, kept: int, position: int) -> Iterator[Repeat]:
    """Yield what a part did after the checkpoint that was gone on from."""
    for place, epoch in enumerate(part.epochs[kept:], position + kept):
        took_s = epoch.end_s - epoch.start_s
        yield Repeat(position=place, energy_j=epoch.energy_j, duration_s=took_s, whole=True)
    yield Repeat(
        position=position + len(part.epochs),
        energy_j=_after_epochs(part),
        duration_s=max(part.totals.duration_s - part.epochs[-1].end_s, 0.0),
        whole=False,
    )


def _after_epochs(part: Report) -> Quantity:
    """Return what was spent after the last epoch that ended: no more than what is in no epoch for certain."""
    total, until = part.totals.energy_j, part.epochs[-1].cumulative_energy_j
    in_epochs = add_up([epoch.energy_j for epoch in part.epochs])
    if total.value is None or total.high is None or until is None or in_epochs.low is None:
        return Quantity.missing()
    spent = max(total.value - until, 0.0)
    high = max(total.high - in_epochs.low, spent)
    return Quantity(value=spent, low=0.0, high=high, source=total.source)


def _moved(epochs: Sequence[Epoch], earlier: Sequence[Epoch], parts: Sequence[Report]) -> Iterator[Epoch]:
    """Yield a part's epochs with times, energy and samples counted from the training's beginning."""
    since_s = math.fsum(part.totals.duration_s for part in parts)
    spent_j = add_up([part.totals.energy_j for part in parts]).value
    seen = earlier[-1].samples if earlier else 0
    for epoch in epochs:
        yield replace(
            epoch,
            start_s=since_s + epoch.start_s,
            end_s=since_s + epoch.end_s,
            samples=_sum(seen, epoch.samples),
            cumulative_energy_j=_sum(spent_j, epoch.cumulative_energy_j),
        )


def _sum(first: Number | None, second: Number | None) -> Number | None:
    return None if first is None or second is None else first + second


def _epochs(count: int) -> str:
    return f"{count} epoch{'' if count == 1 else 's'}"
