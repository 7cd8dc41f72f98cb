"""Asks the C library to keep freed memory for the next step, alike for every learner.

By default glibc gives large blocks back to the system as they are freed, and maps new ones page by page at
the next step: a quarter of a Mono-Forward step, which frees each layer's gradient at once.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Final

__all__ = ["keep_freed_memory", "return_freed_memory"]

_M_TRIM_THRESHOLD: Final = -1  # glibc's malloc.h
_M_MMAP_THRESHOLD: Final = -3
_NEVER_TRIM_BYTES: Final = (1 << 31) - 1
_NEVER_MAP_BYTES: Final = 1 << 30


@cache
def keep_freed_memory() -> bool:
    """Keep blocks of any size for reuse, from now on; tell whether the C library does so (glibc only)."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    mapped = mallopt(_M_MMAP_THRESHOLD, _NEVER_MAP_BYTES)
    return bool(mapped) and bool(mallopt(_M_TRIM_THRESHOLD, _NEVER_TRIM_BYTES))


def return_freed_memory() -> bool:
    """Give what was kept back to the system once, so that it shows as free; tell whether some was (glibc)."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return False
    return bool(trim(0))
