"""How a run is executed: on which device, in which precision, its steps compiled or not."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import torch

from learners.training.precision import Precision, computing

__all__ = ["Execution"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How steps and evaluations are executed, whatever the learner.

    Attributes:
        device: where.
        precision: what products are computed in.
        compiled: whether the steps of a stage are compiled before its first one.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: Precision = Precision.FP32
    compiled: bool = False

    def computing(self) -> AbstractContextManager[None]:
        """Compute in this precision inside a ``with`` block."""
        return computing(self.precision, self.device)
