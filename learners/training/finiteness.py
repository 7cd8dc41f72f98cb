"""Finds out that a loss is NaN or infinite, without waiting for the device in the middle of an epoch."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

__all__ = ["CHECK_EVERY", "FiniteWatch"]

CHECK_EVERY: Final = 200  # steps from one look at the loss to the next


class FiniteWatch:
    """Looks at a running sum of losses every :data:`CHECK_EVERY` steps.

    Once a loss is not finite, neither is the sum: no step goes unnoticed. On a GPU the answer is copied to
    pinned memory in the background and read when it has arrived, usually at the next look.

    Attributes:
        broken: True once a sum was seen that is not finite.
    """

    def __init__(self, device: torch.device) -> None:
        self.broken = False
        self._pending: tuple[Tensor, torch.cuda.Event] | None = None
        self._on_gpu = device.type == "cuda"

    def look(self, total: Tensor) -> None:
        """Look at the sum as it is after the steps so far."""
        finite = torch.isfinite(total)
        if not self._on_gpu:
            self.broken = not bool(finite)
            return
        if self._pending is not None:
            answer, arrived = self._pending
            if not arrived.query():  # type: ignore[no-untyped-call]
                return
            self.broken = not bool(answer)
        answer = torch.empty((), dtype=torch.bool, pin_memory=True).copy_(finite, non_blocking=True)
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrived.record()
        self._pending = answer, arrived
