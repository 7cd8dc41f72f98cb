"""Sets the processor up before the first parallel work: threads, denormal numbers, seeds."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from energyprof.errors import DeviceError, UsageError
from learners.data.seed import derived_seed
from learners.training.allocator import keep_freed_memory

__all__ = ["HostSettings", "find_device", "flushes_denormals", "prepare_host"]

_PROBE_SIZE: Final = 1 << 20  # elements: enough for every thread of the pool to get some


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettings:
    """What was set, for the record.

    Attributes:
        threads: of one parallel operation.
        flush_denormal: whether denormal numbers are taken for zero in all of these threads, as tried out.
        keeps_freed_memory: whether freed memory stays with the process for the next step.
    """

    threads: int
    flush_denormal: bool
    keeps_freed_memory: bool


def prepare_host(threads: int | None = None, seed: int = 0) -> HostSettings:
    """Set threads, flush denormal numbers to zero, keep freed memory, and seed the global generators.

    Must come before the first parallel work of the process: threads inherit the treatment of denormals when
    their pool starts. After some epochs of Adam many first moments are denormal, and arithmetic on these is
    far slower: it would count as the algorithm's energy.

    Args:
        threads: of one parallel operation; None for torch's own choice, the physical cores.
        seed: the run's seed. Learners and tasks have generators of their own; this is for what has none.

    Raises:
        UsageError: fewer than one thread.
    """
    if threads is not None and threads < 1:
        raise UsageError(f"--threads {threads} cannot be: give 1 or more")
    torch.set_num_threads(threads or torch.get_num_threads())
    torch.set_flush_denormal(True)
    torch.manual_seed(derived_seed(seed, "torch"))
    np.random.seed(derived_seed(seed, "numpy") % 2**32)
    random.seed(derived_seed(seed, "python"))
    return HostSettings(
        threads=torch.get_num_threads(),
        flush_denormal=flushes_denormals(),
        keeps_freed_memory=keep_freed_memory(),
    )


def flushes_denormals() -> bool:
    """Tell whether every thread of the pool takes denormal numbers for zero."""
    smallest = torch.full((_PROBE_SIZE,), torch.finfo(torch.float32).tiny)
    return not bool(torch.count_nonzero(smallest.mul_(0.25)))


def find_device(name: str = "auto") -> torch.device:
    """Return a device by name.

    Args:
        name: ``auto`` (the first GPU, else the CPU), ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        DeviceError: it is not there.
        UsageError: the name means no device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdecimal()) or (kind == "cpu" and index):
        raise UsageError(f"--device {name} means no device: give auto, cpu, cuda or cuda:1")
    if kind == "cpu":
        return torch.device("cpu")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(index or 0) >= count:
        seen = f"{count} CUDA devices" if count else "no CUDA device (or a torch without CUDA)"
        raise DeviceError(f"--device {name} is not there, seen {seen}: give --device cpu or another number")
    return torch.device("cuda", int(index or 0))
