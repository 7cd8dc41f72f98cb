"""Floating-point operations of a real step, counted as it runs.

Matrix products and convolutions only, an addition and a multiplication counted as two, as is usual;
everything else is small beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch.utils.flop_counter import FlopCounterMode

from learners.base import Batch, Learner, Stage
from learners.training.frozen_outputs import frozen_passes, seen_by
from learners.training.outcome import StageOutcome
from learners.training.stage_plan import LONGEST_WARM_UP, untrained_copy

__all__ = ["StageFlops", "count_prediction_flops", "count_step_flops", "total_flops"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFlops:
    """FLOPs of a stage: of one step, and of what is done once before its first step."""

    stage: str
    step: int
    once: int = 0


def count_step_flops(learner: Learner, batch: Batch, rows: int = 0) -> tuple[StageFlops, ...]:
    """Count one step of each stage on a copy of the learner, which is left as it is.

    Steps are taken until two in a row count the same: a pipeline fills up first.

    Args:
        learner: not trained yet.
        batch: one real batch.
        rows: training images, for stages that keep what frozen layers make of all of them.
    """
    rehearsal = untrained_copy(learner)
    counts = []
    for stage in rehearsal.stages():
        flops, seen = -1, seen_by(stage.frozen, batch)
        for _ in range(LONGEST_WARM_UP):
            before, flops = flops, _count(stage.step, seen)
            if flops == before:
                break
        counts.append(StageFlops(stage=stage.name, step=flops, once=_keeping(stage, batch, rows)))
    return tuple(counts)


def count_prediction_flops(learner: Learner, batch: Batch) -> int:
    """Count the scores of one batch."""
    with torch.no_grad():
        return _count(learner.scores, batch.x)


def total_flops(counts: Sequence[StageFlops], stages: Sequence[StageOutcome]) -> float:
    """Return the FLOPs of training: of each stage that took a step, steps times those of one, and once.

    Steps of an earlier run, which this one continues, do not count.
    """
    own = {stage.name: stage.steps - stage.earlier_steps for stage in stages}
    steps: Mapping[str, int] = {name: count for name, count in own.items() if count}
    return float(sum(c.step * steps[c.stage] + c.once for c in counts if c.stage in steps))


def _keeping(stage: Stage, batch: Batch, rows: int) -> int:
    """Count what it takes to compute the frozen layers' outputs of all training images."""
    if stage.frozen is None:
        return 0
    return _count(stage.frozen, batch.x) * frozen_passes(rows, len(batch.y))


def _count(function: Callable[[Any], object], argument: object) -> int:
    with FlopCounterMode(display=False, custom_mapping=dict(_IN_PLACE)) as counter:
        function(argument)
    return int(counter.get_total_flops())


def _product_flops(_added: Any, a: Sequence[int], b: Sequence[int], **_: Any) -> int:
    """Count ``added += a @ b`` for shapes a (..., m, k) and b (..., k, n)."""
    count = 2 * a[-2] * a[-1] * b[-1]
    for size in a[:-2]:
        count *= size
    return count


#: products in place, which torch's own table does not know
_IN_PLACE: Final = ((torch.ops.aten.addmm_, _product_flops), (torch.ops.aten.baddbmm_, _product_flops))
