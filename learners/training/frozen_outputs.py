"""What frozen layers make of all training images, computed once for a stage and kept.

A layer that trains alone reads the same outputs of the layers below at every pass: they can be kept. What it
costs is their memory, :func:`frozen_bytes`. Batches are then rows of what was kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from learners.base import Batch
from learners.data.batches import ResidentData
from learners.training.free_memory import require_room

__all__ = ["CACHE_ADVICE", "compute_frozen_outputs", "frozen_bytes", "frozen_passes", "seen_by"]

CACHE_ADVICE: Final = "leave out --set cache=true, or train a smaller net"


@torch.no_grad()
def compute_frozen_outputs(
    data: ResidentData, outputs: Callable[[Tensor], Tensor], batch_size: int
) -> ResidentData:
    """Return the frozen layers' outputs of all rows, with their labels.

    Computed in batches of the size of the steps', the last one overlapping the one before: products of the
    same shapes give the same bits.

    Args:
        data: inputs (N, C, H, W).
        outputs: maps inputs (B, C, H, W) to what a stage learns from, (B, ...).
        batch_size: rows at a time; at most N.

    Raises:
        UsageError: they would not fit in free memory.
    """
    kept: Tensor | None = None
    for begin in range(0, len(data), batch_size):
        start = min(begin, len(data) - batch_size)
        piece = outputs(data.x[start : start + batch_size])
        if kept is None:
            kept = _allocate(piece, len(data))
        kept[start : start + batch_size] = piece
    assert kept is not None, "there is data"
    return ResidentData(x=kept, y=data.y)


def frozen_bytes(outputs: Tensor, rows: int) -> int:
    """Return what the outputs of so many rows will take, from those of one batch (B, ...)."""
    return outputs[0].numel() * outputs.element_size() * rows


def frozen_passes(rows: int, batch_size: int) -> int:
    """Return the batches that computing them takes."""
    return -(-rows // batch_size)


def seen_by(outputs: Callable[[Tensor], Tensor] | None, batch: Batch) -> Batch:
    """Return the batch that a stage's step gets for a batch of the task."""
    if outputs is None:
        return batch
    with torch.no_grad():
        return Batch(outputs(batch.x), batch.y)


def _allocate(first: Tensor, rows: int) -> Tensor:
    size_bytes = frozen_bytes(first, rows)
    require_room(size_bytes, first.device, "keeping the frozen layers' outputs", CACHE_ADVICE)
    return first.new_empty(rows, *first.shape[1:])
