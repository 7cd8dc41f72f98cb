"""How many training samples the steps have taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from energyprof.recording.batch_length import batch_length

__all__ = ["SampleCount"]


class SampleCount:
    """Counts the samples of a run, loop by loop."""

    def __init__(self) -> None:
        self._seen = 0

    def of_loop(
        self, log: Callable[[Mapping[str, float]], None], samples: int | None
    ) -> tuple[Callable[[Any], None], Callable[[int, Any], None]]:
        """Return what is called with the first batch of a loop, and with the number of batches and the last.

        Args:
            log: notes what was counted.
            samples: a batch; None: the length of the first counts for all but the last, whose own is used.
        """
        size: list[int] = []

        def begun(batch: Any) -> None:
            length = samples if samples is not None else batch_length(batch)
            if length is not None:
                size.append(length)
                log({"batch_samples": float(length)})

        def ended(count: int, batch: Any) -> None:
            if size:
                last = samples if samples is not None else batch_length(batch)
                self._seen += size[0] * (count - 1) + (size[0] if last is None else last)
                log({"samples": float(self._seen)})

        return begun, ended
