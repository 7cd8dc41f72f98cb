"""Epochs: what is logged between the two marks of one belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

__all__ = ["EpochMarks"]


class EpochMarks:
    """The epochs of a run.

    Attributes:
        not_entered: how many were asked for without being entered since.
    """

    def __init__(self) -> None:
        self.not_entered = 0

    def epoch(
        self, log: Callable[[Mapping[str, float]], None], index: int, stage: str
    ) -> AbstractContextManager[None]:
        """Return the context of an epoch, whose beginning and end are logged."""
        self.not_entered += 1
        return self._marked(log, index, stage)

    @contextmanager
    def _marked(self, log: Callable[[Mapping[str, float]], None], index: int, stage: str) -> Iterator[None]:
        self.not_entered -= 1
        log({f"epoch_begin/{stage}": float(index)})
        yield
        log({f"epoch_end/{stage}": float(index)})
