"""Energy, time and samples until a metric first held a target: censored, because some runs never do."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from energyprof.errors import UsageError
from energyprof.record.model import Epoch, Report

__all__ = ["Reached", "Target", "logs", "not_logged_text", "parse_target", "reach", "score"]

_TARGET = re.compile(r"\s*([A-Za-z_][\w./-]*)\s*(>=|<=|>|<)\s*([-+0-9.eE]+)\s*(%?)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What counts as having learned.

    Attributes:
        metric: logged once an epoch, such as ``validation_accuracy``.
        threshold: accuracies as fractions.
        at_least: True where the metric must be at or above the threshold, False where at or below.
        sustained: evaluations in a row that must hold it.
    """

    metric: str
    threshold: float
    at_least: bool = True
    sustained: int = 1

    def __str__(self) -> str:
        """Return ``validation_accuracy >= 0.97``."""
        return f"{self.metric} {'>=' if self.at_least else '<='} {self.threshold:g}"

    def held_by(self, value: float) -> bool:
        """Tell whether a value holds the target."""
        return value >= self.threshold if self.at_least else value <= self.threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """What a run had spent when it had held the target.

    ``epoch`` is the position among the run's epochs; energies and counts are None where they are not known.
    """

    epoch: int
    value: float
    energy_j: float | None
    duration_s: float
    samples: int | None


def parse_target(text: str) -> Target:
    """Read ``validation_accuracy>=0.97`` or ``validation_loss<=0.1``; ``97%`` is 0.97.

    Raises:
        UsageError: it cannot be meant.
    """
    match = _TARGET.fullmatch(text)
    try:
        threshold = float(match[3]) if match else math.nan
    except ValueError:
        threshold = math.nan
    if match is None or not math.isfinite(threshold):
        raise UsageError(f"'{text}' is no target: write for example 'validation_accuracy>=0.97'")
    factor = 0.01 if match[4] else 1.0
    target = Target(metric=match[1], threshold=threshold * factor, at_least=match[2].startswith(">"))
    if target.metric.endswith("accuracy") and not 0 < target.threshold <= 1:
        raise UsageError(f"'{text}': an accuracy lies between 0 and 1, write for example '>=0.97' or '>=97%'")
    return target


def score(epoch: Epoch, metric: str) -> float | None:
    """Return a metric of an epoch: a field of the record, or anything that was logged in it."""
    if metric in ("train_loss", "validation_loss", "validation_accuracy"):
        found: float | None = getattr(epoch, metric)
        return found
    return epoch.metrics.get(metric)


def logs(report: Report, metric: str) -> bool:
    """Tell whether a run logged a metric in any epoch."""
    return any(score(epoch, metric) is not None for epoch in report.epochs)


def reach(report: Report, target: Target) -> Reached | None:
    """Return what the run had spent when it had held the target, or None where it never did.

    Raises:
        UsageError: the metric was never logged: that is missing, not "never reached".
    """
    scores = ((position, score(epoch, target.metric)) for position, epoch in enumerate(report.epochs))
    scored = [(position, value) for position, value in scores if value is not None]  # evaluated epochs only
    if not scored:
        raise UsageError(not_logged_text(report, target.metric))
    held = _first_sustained((target.held_by(value) for _, value in scored), target.sustained)
    if held is None:
        return None
    position, value = scored[held]
    epoch = report.epochs[position]
    return Reached(
        epoch=position,
        value=value,
        energy_j=epoch.cumulative_energy_j,
        duration_s=epoch.end_s,
        samples=epoch.samples,
    )


def _first_sustained(holds: Iterable[bool], sustained: int) -> int | None:
    streak = 0
    for index, held in enumerate(holds):
        streak = streak + 1 if held else 0
        if streak >= sustained:
            return index
    return None


def not_logged_text(report: Report, metric: str) -> str:
    """Say that no epoch of a run has a metric, what they have, and how one gets into them."""
    logged, named = _logged(report.epochs), f"{metric}=..." if metric.isidentifier() else "..."
    how = f"log it with prof.log({named}) inside prof.epoch(...)"
    seen = (
        f"it logged {', '.join(logged)}; choose one of these, or" if logged else "it logged nothing by epoch;"
    )
    return f"run {report.run.id} never logged '{metric}': {seen} {how}"


def _logged(epochs: Sequence[Epoch]) -> list[str]:
    fields = ("train_loss", "validation_loss", "validation_accuracy")
    names = [name for name in fields if any(getattr(e, name) is not None for e in epochs)]
    return names + list(dict.fromkeys(name for e in epochs for name in e.metrics))
