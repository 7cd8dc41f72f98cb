"""What the loop needs of a profiler: a part of ``energyprof.Profiler``'s public interface."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar

__all__ = ["Meter", "NullMeter"]

T = TypeVar("T")


class Meter(Protocol):
    """Marks steps, phases and epochs, and takes scalars; ``energyprof.Profiler`` is one."""

    def steps(self, iterable: Iterable[T], phase: str = "train", samples: int | None = None) -> Iterator[T]:
        """Yield from an iterable; each item is one step, the time to get it the phase ``<phase>/data``."""
        ...

    def phase(self, name: str) -> AbstractContextManager[object]:
        """Name what happens inside a ``with`` block."""
        ...

    def log(self, **values: float | None) -> None:
        """Note scalars at this moment."""
        ...

    def epoch(self, index: int, stage: str = "train") -> AbstractContextManager[None]:
        """Mark an epoch: what is logged inside belongs to it."""
        ...


class NullMeter:
    """Measures nothing: for training without a report."""

    def steps(self, iterable: Iterable[T], phase: str = "train", samples: int | None = None) -> Iterator[T]:
        """Yield from an iterable."""
        return iter(iterable)

    def phase(self, name: str) -> AbstractContextManager[object]:
        """Mark nothing."""
        return nullcontext()

    def log(self, **values: float | None) -> None:
        """Note nothing."""

    def epoch(self, index: int, stage: str = "train") -> AbstractContextManager[None]:
        """Mark nothing."""
        return nullcontext()
