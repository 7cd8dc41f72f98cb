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

from learners.base import Batch, Learner
from learners.training.outcome import StageOutcome
from learners.training.stage_plan import LONGEST_WARM_UP, untrained_copy

__all__ = ["StageFlops", "count_prediction_flops", "count_step_flops", "total_flops"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFlops:
    """FLOPs of one step of a stage."""

    stage: str
    step: int


def count_step_flops(learner: Learner, batch: Batch) -> tuple[StageFlops, ...]:
    """Count one step of each stage on a copy of the learner, which is left as it is.

    Steps are taken until two in a row count the same: a pipeline fills up first.

    Args:
        learner: not trained yet.
        batch: one real batch.
    """
    rehearsal = untrained_copy(learner)
    counts = []
    for stage in rehearsal.stages():
        flops = -1
        for _ in range(LONGEST_WARM_UP):
            before, flops = flops, _count(stage.step, batch)
            if flops == before:
                break
        counts.append(StageFlops(stage=stage.name, step=flops))
    return tuple(counts)


def count_prediction_flops(learner: Learner, batch: Batch) -> int:
    """Count the scores of one batch."""
    with torch.no_grad():
        return _count(learner.scores, batch.x)


def total_flops(counts: Sequence[StageFlops], stages: Sequence[StageOutcome]) -> float:
    """Return the FLOPs of all training steps: of each stage, steps times those of one."""
    steps: Mapping[str, int] = {stage.name: stage.steps for stage in stages}
    return float(sum(count.step * steps.get(count.stage, 0) for count in counts))


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
