"""The program that is measured: this process, or another one that sensors are read for."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Program"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What sensors must know of the program whose energy they measure.

    Attributes:
        pid: its process.
        torch_uuids: the UUIDs of torch's devices in its order, or None where torch did not run on CUDA yet.
        uses_cuda: tells whether it runs on CUDA by now.
    """

    pid: int
    torch_uuids: tuple[str, ...] | None
    uses_cuda: Callable[[], bool]

    @classmethod
    def here(cls) -> Program:
        """Return this process. Never imports torch."""
        return cls(pid=os.getpid(), torch_uuids=_torch_uuids(), uses_cuda=_uses_cuda)


def _uses_cuda() -> bool:
    torch: Any = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    return cuda is not None and bool(cuda.is_initialized())


def _torch_uuids() -> tuple[str, ...] | None:
    if not _uses_cuda():
        return None
    cuda: Any = sys.modules["torch"].cuda
    try:
        properties = [cuda.get_device_properties(index) for index in range(cuda.device_count())]
    except RuntimeError:  # CUDA's: after a kernel that failed every call throws
        return None
    uuids = [getattr(each, "uuid", None) for each in properties]
    return None if None in uuids else tuple(f"GPU-{uuid}" for uuid in uuids)
