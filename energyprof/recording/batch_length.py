"""How many samples a batch holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["batch_length"]


def batch_length(batch: Any) -> int | None:
    """Return the number of samples in a batch: the length of its first element, or its own."""
    first = next(iter(batch.values()), None) if isinstance(batch, Mapping) else batch
    if isinstance(first, tuple | list) and first:
        first = first[0]
    candidates: tuple[Any, ...] = (first, batch)
    for candidate in candidates:
        try:
            return len(candidate)
        except Exception:  # a number, a tensor without dimensions, anyone's own class: nothing to fail for
            continue
    return None
