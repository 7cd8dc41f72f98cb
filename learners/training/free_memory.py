"""How much memory is free for a large tensor, on the host or on a GPU; asked before it is made."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import psutil
import torch

from energyprof.errors import UsageError
from learners.training.allocator import return_freed_memory

__all__ = ["free_bytes", "require_room"]

_CONTROL_GROUP: Final = Path("/sys/fs/cgroup")
_MIB: Final = 1 << 20


def require_room(needed_bytes: int, device: torch.device, what: str, advice: str) -> None:
    """Refuse what would not fit.

    Args:
        needed_bytes: how much is about to be taken.
        device: where.
        what: that takes it, as the message names it.
        advice: what to do instead.

    Raises:
        UsageError: less is free.
    """
    free = free_bytes(device)
    if needed_bytes > free:
        needed, there = needed_bytes / _MIB, free / _MIB
        raise UsageError(f"{what} takes {needed:,.1f} MiB, {there:,.1f} MiB are free on {device}: {advice}")


def free_bytes(device: torch.device) -> int:
    """Return the bytes that this process may still take on a device.

    On a GPU, what torch holds without using counts as free; on the host, a container's own limit counts.
    """
    if device.type == "cuda":
        idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0] + idle)
    return_freed_memory()
    available = int(psutil.virtual_memory().available)
    allowed = _left_of_limit(_CONTROL_GROUP)
    return available if allowed is None else min(available, allowed)


def _left_of_limit(group: Path) -> int | None:
    """Return what a control group (version 2) leaves of its limit; None where it sets none.

    Pages of files that were not used lately are given up when memory gets short: they count as free.
    """
    try:
        limit = (group / "memory.max").read_text().strip()
        used = int((group / "memory.current").read_text())
        lines = (group / "memory.stat").read_text().splitlines()
    except (OSError, ValueError):
        return None
    if not limit.isdecimal():
        return None  # "max"
    given_up = next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)
    return max(0, int(limit) - used + given_up)
