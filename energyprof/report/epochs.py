"""Which epochs a page shows where they are many: evenly spread, with those that its figures rest on."""

from __future__ import annotations

from typing import Final

from energyprof.record.model import Epoch, Report
from energyprof.report.encode import thin

__all__ = ["MOST_EPOCHS", "shown_epochs"]

MOST_EPOCHS: Final = 500


def shown_epochs(report: Report) -> list[tuple[int, Epoch]]:
    """Return (position, epoch) of the epochs that curves and tables show: all, or some 500 of more.

    The best one and the one that reached the target are always among them.
    """
    epochs = report.epochs
    if len(epochs) <= MOST_EPOCHS:
        return list(enumerate(epochs))
    scores = [-1.0 if e.validation_accuracy is None else e.validation_accuracy for e in epochs]
    best = scores.index(max(scores))
    target = report.workload.protocol.get("target_accuracy")
    wanted = float(target) if isinstance(target, int | float) else 2.0
    hit = next((k for k, value in enumerate(scores) if value >= wanted), best)
    kept = sorted({*thin(len(epochs), MOST_EPOCHS).tolist(), best, hit})
    return [(k, epochs[k]) for k in kept]
