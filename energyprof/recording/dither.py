"""Dither: short random waits that break the lock between steps of constant length and a sensor's refresh."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from random import Random
from typing import Final, TypeVar

from energyprof.clock import Clock

__all__ = ["dithered"]

T = TypeVar("T")

_LONGEST_S: Final = 0.1


def dithered(
    iterable: Iterable[T],
    every: int,
    refresh_s: float,
    clock: Clock,
    phase: Callable[[str], AbstractContextManager[object]],
) -> Iterator[T]:
    """Yield with a random wait of up to a refresh every so many items, in a phase ``dither`` of its own.

    Args:
        iterable: what to yield from.
        every: how many items lie between two waits.
        refresh_s: of the slowest sensor.
        clock: what waits.
        phase: names a phase.
    """
    shift = Random(0)
    for count, item in enumerate(iterable, 1):
        if count % every == 0:
            with phase("dither"):
                wait_ns = int(shift.random() * min(refresh_s, _LONGEST_S) * 1e9)
                clock.sleep_until_ns(clock.now_ns() + wait_ns)
        yield item
