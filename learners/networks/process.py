"""What a process that trains sets before its first tensor, alike for every learner.

None of it changes a result's meaning; each changes how long a step takes, so all of it is recorded.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Final

import torch

__all__ = ["ProcessSettings", "prepare_process"]

_M_TRIM_THRESHOLD: Final = -1  # glibc's malloc.h
_M_MMAP_THRESHOLD: Final = -3
_LARGE_BYTES: Final = (1 << 31) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSettings:
    """What was set.

    Attributes:
        threads: that torch computes with.
        flush_denormal: denormal numbers count as zero. Without it Adam's first moments turn denormal after
            some epochs, and a CPU step takes half as long again.
        keeps_freed_memory: the allocator keeps what is freed instead of giving it back to the system. Without
            it each step's gradients are mapped anew, page by page: a quarter of a Mono-Forward step.
    """

    threads: int
    flush_denormal: bool
    keeps_freed_memory: bool


def prepare_process(threads: int | None = None) -> ProcessSettings:
    """Set threads (None: as torch chose), denormals and the allocator; call it before the first tensor."""
    flush = torch.set_flush_denormal(True)
    if threads is not None:
        torch.set_num_threads(threads)
    kept = _keep_freed_memory()
    return ProcessSettings(threads=torch.get_num_threads(), flush_denormal=flush, keeps_freed_memory=kept)


@cache
def _keep_freed_memory() -> bool:
    """Ask glibc to reuse freed memory, whatever its size; another C library stays as it is."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, 1 << 30)) and bool(mallopt(_M_TRIM_THRESHOLD, _LARGE_BYTES))
