"""Another stopping rule, applied to a finished run: its energy, time and accuracy had it been used.

Only an earlier stop can be known: where the rule would have gone on, the trace has nothing more to say and
the result is marked so. Stages (layers trained one after the other) stop each by itself; later stages are
taken as they ran, on layers trained longer than the rule would have, which is said too.

A training that was interrupted and continued is one curve (:mod:`.joined_parts`). What went into epochs that
it did twice was spent: it counts where the rule keeps the epoch, and is told.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from energyprof.analysis.joined_parts import JoinedParts, Repeat, add_up, join_parts
from energyprof.analysis.reaching import logs, not_logged_text, score
from energyprof.analysis.restop_notes import notes_of_parts, notes_of_stages
from energyprof.errors import UsageError
from energyprof.record.model import Epoch, Quantity, Report

__all__ = ["Repeated", "Restopped", "StageStop", "StoppingRule", "restop", "restop_parts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppingRule:
    """Stop after ``patience`` epochs in a row that did not improve the best by more than ``min_delta``.

    Attributes:
        metric: what is watched, or None for what the run itself watched, else ``validation_loss`` where it
            was logged, else ``validation_accuracy``. A name with ``loss`` in it is better low. An equal value
            is not better.
        minimum: epochs of a stage that are always run.
    """

    patience: int
    min_delta: float = 0.0
    metric: str | None = None
    minimum: int = 1

    def __post_init__(self) -> None:
        """Check that it can be meant."""
        if self.patience < 1:
            raise UsageError(f"patience {self.patience} is no patience: give 1 or more")
        if not (math.isfinite(self.min_delta) and self.min_delta >= 0):
            raise UsageError(f"min delta {self.min_delta} cannot be: give 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStop:
    """Where the rule stops one stage.

    Attributes:
        ran: epochs that the run did.
        kept: epochs under the rule.
        best: the epoch of them (from 0) with the best value, the first of equals.
        best_value: the watched metric there.
        exhausted: True where the rule would have gone on beyond what was recorded.
    """

    stage: str
    ran: int
    kept: int
    best: int
    best_value: float
    exhausted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """What was spent on work that a continuation did again, beyond the copy in the curve.

    Attributes:
        epochs: that were done to their end and then again.
        energy_j: of these epochs' other copies.
        duration_s: likewise.
        cut_energy_j: of what breaks cut off after the last epoch that ended.
        cut_duration_s: likewise.
        kept_energy_j: of both, what is in the energy under the rule.
    """

    epochs: int
    energy_j: Quantity
    duration_s: float
    cut_energy_j: Quantity
    cut_duration_s: float
    kept_energy_j: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Restopped:
    """A run under another stopping rule.

    Attributes:
        energy_j: of the window, less the epochs that the rule leaves out; None where it is not known.
        energy_low_j: of it, the lower bound: that of the whole less the upper ones of what is left out.
        energy_high_j: likewise.
        duration_s: likewise.
        samples: likewise.
        validation_accuracy: at the last epoch kept.
        best_validation_accuracy: the best among the epochs kept, whatever is watched.
        restored_validation_accuracy: at the last stage's best epoch by what is watched: that of the weights
            which a run under this rule would restore.
        original_energy_j: of the run as it was.
        notes: what a reader must know of these figures.
        parts: ids of the runs that the training was done in, oldest first.
        repeated: what was spent twice; None where the training was not interrupted.
    """

    run_id: str
    name: str
    rule: StoppingRule
    metric: str
    stages: tuple[StageStop, ...]
    energy_j: float | None
    energy_low_j: float | None
    energy_high_j: float | None
    duration_s: float
    samples: int | None
    validation_accuracy: float | None
    best_validation_accuracy: float | None
    restored_validation_accuracy: float | None
    original_energy_j: float | None
    original_duration_s: float
    original_validation_accuracy: float | None
    notes: tuple[str, ...]
    parts: tuple[str, ...]
    repeated: Repeated | None = None

    @property
    def epochs(self) -> int:
        """Return the epochs kept over all stages."""
        return sum(stage.kept for stage in self.stages)


def restop(report: Report, rule: StoppingRule) -> Restopped:
    """Apply a stopping rule to a run's stored epochs.

    Raises:
        UsageError: the run has no epochs, never logged the metric, or is a part of a resumed training.
    """
    before = report.run.resumed_from
    if before is not None:
        raise UsageError(
            f"run {report.run.id} is a part of a training: it continues {before.run}, and its curve begins "
            "in the middle; apply the rule to all parts together"
        )
    return _restop(JoinedParts(report=report, run_ids=(report.run.id,), repeats=()), rule)


def restop_parts(parts: Sequence[Report], rule: StoppingRule) -> Restopped:
    """Apply a stopping rule to a training that was done in parts.

    Args:
        parts: their reports, oldest first; one alone is a run that was trained without a break.
        rule: when to stop.

    Raises:
        UsageError: there are no epochs, or none logged the metric.
        RecordError: the parts do not fit together.
    """
    if len(parts) == 1:
        return restop(parts[0], rule)
    found = _restop(join_parts(parts), rule)
    assert found.repeated is not None, "it was done in parts"
    return replace(found, notes=(*notes_of_parts(parts, found, found.repeated), *found.notes))


def _restop(joined: JoinedParts, rule: StoppingRule) -> Restopped:
    report = joined.report
    if not report.epochs:
        raise UsageError(
            f"run {report.run.id} has no epochs in its record, so there is nothing to stop earlier: "
            "mark each with prof.epoch(...), and log what the rule watches with prof.log(...) inside"
        )
    metric = rule.metric or _default_metric(report)
    if not logs(report, metric):
        raise UsageError(not_logged_text(report, metric))
    stages = [(name, list(epochs)) for name, epochs in groupby(report.epochs, key=lambda e: e.stage)]
    stops = [_stop(name, epochs, metric, rule) for name, epochs in stages]
    keeps = [place < stop.kept for stop in stops for place in range(stop.ran)]
    kept = [epoch for epoch, keep in zip(report.epochs, keeps, strict=True) if keep]
    dropped = [epoch for epoch, keep in zip(report.epochs, keeps, strict=True) if not keep]
    again = [r for r in joined.repeats if r.position < len(keeps) and not keeps[r.position]]
    energy = _less(report.totals.energy_j, [*(e.energy_j for e in dropped), *(r.energy_j for r in again)])
    left_out_s = [*(e.end_s - e.start_s for e in dropped), *(r.duration_s for r in again)]
    accuracies = [e.validation_accuracy for e in kept if e.validation_accuracy is not None]
    return Restopped(
        run_id=report.run.id,
        name=report.run.name,
        rule=rule,
        metric=metric,
        stages=tuple(stops),
        energy_j=energy.value,
        energy_low_j=energy.low,
        energy_high_j=energy.high,
        duration_s=report.totals.duration_s - math.fsum(left_out_s),
        samples=_samples_kept(report, stages, stops),
        validation_accuracy=accuracies[-1] if accuracies else None,
        best_validation_accuracy=max(accuracies, default=None),
        restored_validation_accuracy=_restored(stages[-1][1], stops[-1]),
        original_energy_j=report.totals.energy_j.value,
        original_duration_s=report.totals.duration_s,
        original_validation_accuracy=report.quality.validation_accuracy,
        notes=tuple(notes_of_stages(stops)),
        parts=joined.run_ids,
        repeated=_repeated(joined.repeats, again) if len(joined.run_ids) > 1 else None,
    )


def _default_metric(report: Report) -> str:
    watched = report.workload.protocol.get("watched")
    if isinstance(watched, str) and logs(report, watched):
        return watched
    return "validation_loss" if logs(report, "validation_loss") else "validation_accuracy"


def _stop(name: str, epochs: Sequence[Epoch], metric: str, rule: StoppingRule) -> StageStop:
    sign = 1.0 if "loss" in metric else -1.0
    best, best_at, kept, waited = math.inf, 0, len(epochs), 0
    for index, epoch in enumerate(epochs):
        value = score(epoch, metric)
        if value is not None and sign * value < best - rule.min_delta:
            best, best_at, waited = sign * value, index, 0
        else:
            waited += 1
        if waited >= rule.patience and index + 1 >= rule.minimum:
            kept = index + 1
            break
    return StageStop(
        stage=name,
        ran=len(epochs),
        kept=kept,
        best=best_at,
        best_value=sign * best if math.isfinite(best) else math.nan,
        exhausted=waited < rule.patience,
    )


def _restored(epochs: Sequence[Epoch], stop: StageStop) -> float | None:
    """Return the accuracy at the best epoch; at the last one kept where none was better than another."""
    return epochs[stop.kept - 1 if math.isnan(stop.best_value) else stop.best].validation_accuracy


def _less(total: Quantity, parts: Sequence[Quantity]) -> Quantity:
    """Return a total less some of its parts, with the bounds that follow; missing where a figure is."""
    left_out = add_up(parts)
    if total.value is None or left_out.value is None:
        return Quantity.missing()
    low = None if total.low is None or left_out.high is None else max(total.low - left_out.high, 0.0)
    high = None if total.high is None or left_out.low is None else total.high - left_out.low
    return Quantity(value=total.value - left_out.value, low=low, high=high, source=total.source)


def _repeated(repeats: Sequence[Repeat], left_out: Sequence[Repeat]) -> Repeated:
    whole = [repeat for repeat in repeats if repeat.whole]
    cut = [repeat for repeat in repeats if not repeat.whole]
    return Repeated(
        epochs=len(whole),
        energy_j=add_up([repeat.energy_j for repeat in whole]),
        duration_s=math.fsum(repeat.duration_s for repeat in whole),
        cut_energy_j=add_up([repeat.energy_j for repeat in cut]),
        cut_duration_s=math.fsum(repeat.duration_s for repeat in cut),
        kept_energy_j=add_up([repeat.energy_j for repeat in repeats if repeat not in left_out]),
    )


def _samples_kept(
    report: Report, stages: Sequence[tuple[str, list[Epoch]]], stops: Sequence[StageStop]
) -> int | None:
    """Return the samples of the epochs kept: cumulative counts, cut where each stage stops."""
    seen, before = 0, 0
    for (_, epochs), stop in zip(stages, stops, strict=True):
        at_stop, at_end = epochs[stop.kept - 1].samples, epochs[-1].samples
        if at_stop is None or at_end is None:
            return None
        seen += at_stop - before
        before = at_end
    return seen
