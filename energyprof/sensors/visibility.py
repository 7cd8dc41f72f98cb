"""Whether the ranks of a node were shown the same GPUs, or each its own: told by torchrun's own environment.

A rank's ``CUDA_VISIBLE_DEVICES`` alone cannot tell: two that name two cards each may name the same two. But
torchrun hands its environment on as it is, so that what differs from it was set for this rank alone. Other
launchers give no such sign: a shell may have exported the variable after it was started.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

__all__ = ["Visibility", "launcher_environment", "visibility"]

_VISIBLE: Final = "CUDA_VISIBLE_DEVICES"
_OF_A_RANK: Final = "TORCHELASTIC_RUN_ID"  # torchrun gives it to its ranks, and has none itself


class Visibility(StrEnum):
    """Which GPUs the ranks of a node were shown."""

    SAME = "same"  # all of them the same
    OWN = "own"  # this one others than its launcher was
    UNKNOWN = "unknown"


def visibility(environment: Mapping[str, str], launcher: Mapping[str, str] | None) -> Visibility:
    """Return which GPUs a rank was shown.

    Args:
        environment: the rank's.
        launcher: torchrun's, or None where it is not known.
    """
    if _VISIBLE not in environment:
        return Visibility.SAME
    if launcher is None:
        return Visibility.UNKNOWN
    same = launcher.get(_VISIBLE) == environment[_VISIBLE]
    return Visibility.SAME if same else Visibility.OWN


def launcher_environment(pid: int, environment: Mapping[str, str]) -> Mapping[str, str] | None:
    """Return the environment of the torchrun that started a rank, past scripts in between; None without one.

    Args:
        pid: the rank's process.
        environment: the rank's.
    """
    import psutil

    if _OF_A_RANK not in environment:
        return None
    try:
        around = (parent.environ() for parent in psutil.Process(pid).parents())
        return next((found for found in around if _OF_A_RANK not in found), None)
    except (psutil.Error, OSError):
        return None
