"""One seed for a run, and from it one for each purpose."""

from __future__ import annotations

import hashlib

__all__ = ["derived_seed"]


def derived_seed(seed: int, purpose: str, number: int = 0) -> int:
    """Return a seed of 63 bits for one purpose, so that no two purposes draw the same numbers."""
    text = f"{seed}/{purpose}/{number}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1
