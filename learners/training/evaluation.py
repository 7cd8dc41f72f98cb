"""Mean loss and accuracy over a part of the data; what frozen layers make of it may be kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from learners.base import Below, Top
from learners.data.batches import ResidentData
from learners.training.free_memory import require_room
from learners.training.frozen_outputs import CACHE_ADVICE, frozen_bytes

__all__ = ["EVALUATION_BATCH", "Evaluation", "TopEvaluation", "below_bytes", "mean_over"]

EVALUATION_BATCH: Final = (
    512  # the same for every learner: large enough to be quick, small beside the weights
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Mean loss and accuracy (a fraction) over one part of the data."""

    loss: float
    accuracy: float
    samples: int


def mean_over(judged: Iterable[tuple[Tensor, Tensor, Tensor]], device: torch.device) -> Evaluation:
    """Return the means over chunks: scores (B, C), mean loss and labels (B,) of each.

    Sums stay on the device until the end.
    """
    sums = torch.zeros(2, dtype=torch.float64, device=device)  # loss, correct predictions
    samples = 0
    for scores, loss, y in judged:
        sums[0] += loss * len(y)
        sums[1] += (scores.argmax(1) == y).sum()
        samples += len(y)
    total, correct = sums.tolist()
    return Evaluation(loss=total / samples, accuracy=correct / samples, samples=samples)


class TopEvaluation:
    """Evaluates the layer in training as often as it is called.

    Args:
        data: the part.
        top: the layer, and those below it.
        keep: whether what those below make of the data is computed in the first call and kept with this
            object; in the same chunks as without, which gives the same bits.
    """

    def __init__(self, data: ResidentData, top: Top, *, keep: bool) -> None:
        self._data, self._top, self._keep = data, top, keep
        self._kept: list[Below] | None = None

    @torch.no_grad()
    def __call__(self) -> Evaluation:
        """Evaluate.

        Raises:
            UsageError: what is to be kept would not fit in free memory.
        """
        if self._keep and self._kept is None:
            self._kept = list(self._with_room(self._below()))
        below = self._below() if self._kept is None else self._kept
        labels = torch.split(self._data.y, EVALUATION_BATCH)
        judged = ((*self._top.judge(kept, y), y) for kept, y in zip(below, labels, strict=True))
        return mean_over(judged, self._data.x.device)

    def _below(self) -> Iterator[Below]:
        return (self._top.below(batch.x) for batch in self._data.chunks(EVALUATION_BATCH))

    def _with_room(self, chunks: Iterator[Below]) -> Iterator[Below]:
        """Ask, once the first chunk tells how much it takes, whether all of them will fit."""
        first = next(chunks)
        needed = below_bytes(first, len(self._data))
        require_room(needed, first.x.device, "keeping the frozen layers' validation outputs", CACHE_ADVICE)
        yield first
        yield from chunks


def below_bytes(below: Below, rows: int) -> int:
    """Return what is kept of so many rows, from what the frozen layers made of one batch."""
    return sum(frozen_bytes(tensor, rows) for tensor in below)
