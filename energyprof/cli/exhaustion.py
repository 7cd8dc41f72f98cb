"""Memory that runs out while a run is trained: an error with advice, and no defect of this program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from energyprof.errors import TrainingFailed

__all__ = ["memory_running_out"]

_LONGEST: Final = 160
_OF_TORCH_ON_CPU: Final = "can't allocate memory"  # a RuntimeError of no class of its own


@contextmanager
def memory_running_out() -> Iterator[None]:
    """Turn what Python, numpy and torch raise where memory runs out into one line that says what to do.

    Raises:
        TrainingFailed: it ran out inside the block.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_exhaustion(error):
            raise
        lines = str(error).strip().splitlines()
        seen = f" ({lines[0][:_LONGEST]})" if lines else ""
        raise TrainingFailed(
            f"memory ran out{seen}: take a smaller --batch-size or --arch, or a --device with more memory"
        ) from error


def _is_exhaustion(error: Exception) -> bool:
    of_cuda = type(error).__name__ == "OutOfMemoryError"  # torch's, which need not be loaded here
    return isinstance(error, MemoryError) or of_cuda or _OF_TORCH_ON_CPU in str(error)
