"""Marks: one clock read into a preallocated buffer, and nothing else on the hot path.

A mark says that from this moment on the program is in another state: a phase, inside a step or not. The
buffers hold 12 bytes a mark; :meth:`MarkBuffer.drain` turns them into segments off the hot path.
"""

from __future__ import annotations

import os
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from energyprof.record.step_numbers import BODY, PLAIN, WAIT, number_steps
from energyprof.record.trace import UNATTRIBUTED

__all__ = ["MarkBuffer", "PhaseMark", "SegmentRows"]

T = TypeVar("T")

_CAPACITY: Final = 1 << 14
_Chunk = tuple["array[int]", "array[int]"]  # times, codes


@dataclass(frozen=True, slots=True)
class SegmentRows:
    """Segments that came about since the last drain.

    Attributes:
        start_ns: (n,) int64, on the clock of the marks.
        phase: (n,) int32, index into the buffer's ``phases``.
        step: (n,) int64, step number or -1.
    """

    start_ns: NDArray[np.int64]
    phase: NDArray[np.int32]
    step: NDArray[np.int64]


def _ignore(*_: object) -> None:
    """Do nothing."""


class PhaseMark:
    """A phase as a context manager; made once for each place it occurs in and then reused."""

    __slots__ = ("_enter", "_leave", "_outside", "inside")

    def __init__(self, buffer: MarkBuffer, inside: int, outside: int) -> None:
        """Enter ``inside`` and leave to ``outside``; both are codes of the buffer's states."""
        self._enter = self._leave = buffer.mark
        self.inside, self._outside = inside, outside

    def __enter__(self) -> None:
        """Enter the phase."""
        self._enter(self.inside)

    def __exit__(self, *_: object) -> None:
        """Return to the phase around it."""
        self._leave(self._outside)


class MarkBuffer:
    """The marks of one thread.

    Attributes:
        mark: ``mark(code)``: from now on the state is ``code``. About 0.1 us.
        phase: ``phase(name)``: the context manager of a phase inside the present one.
        phases: the names of phases so far; :class:`SegmentRows` refer to them by index.

    Args:
        now_ns: the clock.
        also: called with every mark, to note it elsewhere too (on the device).
    """

    mark: Callable[[int], None]
    phase: Callable[[str], PhaseMark]
    _current: Callable[[], int]
    _take: Callable[[], _Chunk]
    _iterate: Callable[..., Iterator[Any]]

    def __init__(self, now_ns: Callable[[], int], also: Callable[[], None] | None = None) -> None:
        self._now_ns, self._also = now_ns, also
        self._lock = threading.Lock()
        self.phases: list[str] = [UNATTRIBUTED]
        self._states: list[tuple[int, int]] = [(0, PLAIN)]  # code -> (phase, kind)
        self._codes: dict[tuple[int, int], int] = {(0, PLAIN): 0}
        self._phase_index: dict[str, int] = {UNATTRIBUTED: 0}
        self._marks: dict[tuple[int, str], PhaseMark] = {}
        self._kept = True
        self._spilled: list[_Chunk] = []
        self._collected: list[_Chunk] = []
        self._held = np.empty(0, np.int64), np.empty(0, np.int32)
        self._drained_ns = np.iinfo(np.int64).min  # no mark is earlier than those before it
        self._entered: set[int] = set()  # codes that drained marks tell of
        self._loops: set[int] = set()  # codes of the waits of loops that were asked for
        self._steps = 0
        self._in_steps = False
        self._build()

    @property
    def steps_finished(self) -> int:
        """Return the number of steps that drained marks tell of."""
        return self._steps

    def _new_phase(self, outside: int, name: str) -> PhaseMark:
        outer, kind = self._states[outside]
        path = f"{self.phases[outer]}/{name}" if outer else name
        found = self._marks[outside, name] = PhaseMark(self, self._code(path, kind), outside)
        return found

    def steps(
        self,
        iterable: Iterable[T],
        phase: str,
        begun: Callable[[T], object] = _ignore,
        ended: Callable[[int, T], object] = _ignore,
    ) -> Iterator[T]:
        """Yield from an iterable; each item is a step, the time to get it is the step's ``data`` phase.

        Args:
            iterable: what to yield from.
            phase: what the steps are called.
            begun: called with the first item.
            ended: called with the number of items and the last one, where there was any.
        """
        outside = self._current()
        outer = self._states[outside][0]
        path = f"{self.phases[outer]}/{phase}" if outer else phase
        if (
            self._in_steps
        ):  # steps within a step: their time is told apart, the steps counted are the outer ones
            kind = self._states[outside][1]
            wait, body = self._code(f"{path}/data", kind), self._code(path, kind)
        else:
            wait, body = self._code(f"{path}/data", WAIT), self._code(path, BODY)
        self._loops.add(wait)
        return self._iterate(iterable, (wait, body, outside), not self._in_steps, begun, ended)

    @property
    def phases_not_entered(self) -> list[str]:
        """Return the phases that :attr:`phase` was asked for and that no drained mark tells of."""
        return self._not_entered({mark.inside for mark in self._marks.values()})

    @property
    def loops_not_begun(self) -> list[str]:
        """Return what the steps were called that :meth:`steps` was asked for and that nobody iterated."""
        return [name.removesuffix("/data") for name in self._not_entered(self._loops)]

    @property
    def states(self) -> list[tuple[int, int]]:
        """Return what each code stands for: the index of its phase, and what it does to the step count."""
        return self._states

    @property
    def undecided(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return times and codes of the marks that the last drain left."""
        return self._held

    def collect(self) -> list[tuple[array[int], array[int]]]:
        """Return times and codes of the marks since the last call, as they are; a drain has them too."""
        with self._lock:
            fresh, self._spilled = [*self._spilled, self._take()], []
        self._collected.extend(fresh)
        return fresh

    def drain(self) -> SegmentRows:
        """Return the segments that came about since the last call, for the thread that writes them out.

        A mark that another thread set (as it stopped the recording) can lie before one that read the clock
        earlier, as threads take turns between the two: it counts from the one before it.
        """
        self.collect()
        chunks, self._collected = self._collected, []
        times = np.concatenate([self._held[0], *(np.array(times, np.int64) for times, _ in chunks)])
        times = np.maximum(np.maximum.accumulate(times), self._drained_ns)
        codes = np.concatenate([self._held[1], *(np.array(codes, np.int32) for _, codes in chunks)])
        self._entered.update(np.flatnonzero(np.bincount(codes)).tolist())
        states = np.array(self._states, np.int32)
        step, self._steps = number_steps(states[codes, 1], self._steps)
        decided = step.size
        self._drained_ns = int(times[decided - 1]) if decided else self._drained_ns
        self._held = (times[decided:], codes[decided:])
        return SegmentRows(times[:decided], states[codes[:decided], 0], step)

    def close(self) -> None:
        """Keep no marks from now on: a loop may go on long after its recording has ended."""
        self._kept = False

    def _not_entered(self, codes: set[int]) -> list[str]:
        entered = {self._states[code][0] for code in self._entered}
        asked = {self._states[code][0] for code in codes}
        return [self.phases[index] for index in sorted(asked - entered)]

    def _code(self, path: str, kind: int) -> int:
        phase = self._phase_index.get(path)
        if phase is None:
            phase = self._phase_index[path] = len(self.phases)
            self.phases.append(path)
        code = self._codes.get((phase, kind))
        if code is None:
            code = self._codes[phase, kind] = len(self._states)
            self._states.append((phase, kind))
        return code

    def _build(self) -> None:
        """Make the hot path: closures over local variables, the fastest that plain Python has."""
        now, lock, owner = self._now_ns, self._lock, os.getpid()
        times, codes = array("q", bytes(8 * _CAPACITY)), array("i", bytes(4 * _CAPACITY))
        end = taken = current = 0

        def take() -> _Chunk:
            nonlocal taken
            begin, taken = taken, end
            return times[begin:taken], codes[begin:taken]

        def spill(code: int) -> None:
            nonlocal end, taken
            with lock:
                if self._kept and os.getpid() == owner:  # else nobody is there to write them out
                    self._spilled.append(take())
                times[0], codes[0] = now(), code
                end = taken = 0

        def mark(code: int) -> None:
            nonlocal end, current
            current = code
            try:
                times[end] = now()
                codes[end] = code
            except IndexError:
                spill(code)
            end += 1

        marks, new_phase = self._marks, self._new_phase

        def phase(name: str) -> PhaseMark:
            try:
                return marks[current, name]
            except KeyError:
                return new_phase(current, name)

        def iterate(
            iterable: Iterable[T],
            states: tuple[int, int, int],
            counts: bool,
            begun: Callable[[T], object],
            ended: Callable[[int, T], object],
        ) -> Iterator[T]:
            nonlocal end, current
            wait, body, outside = states
            self._in_steps = True
            count = 0
            mark(wait)
            try:
                for item in iterable:
                    current = body
                    try:
                        times[end] = now()
                        codes[end] = body
                    except IndexError:
                        spill(body)
                    end += 1
                    if not count:
                        begun(item)
                    count += 1
                    yield item
                    current = wait
                    try:
                        times[end] = now()
                        codes[end] = wait
                    except IndexError:
                        spill(wait)
                    end += 1
            finally:
                self._in_steps = not counts
                mark(outside)
                if count:
                    ended(count, item)

        self.mark, self._take, self._iterate, self.phase = mark, take, iterate, phase
        self._current = lambda: current
        also = self._also
        if also is not None:

            def mark_twice(code: int) -> None:
                mark(code)
                also()

            self.mark, self._iterate = mark_twice, self._iterate_by_calls

    def _iterate_by_calls(
        self,
        iterable: Iterable[T],
        states: tuple[int, int, int],
        counts: bool,
        begun: Callable[[T], object],
        ended: Callable[[int, T], object],
    ) -> Iterator[T]:
        """Iterate as the closure in :meth:`_build` does, by calls to :attr:`mark`."""
        wait, body, outside = states
        self._in_steps = True
        count = 0
        self.mark(wait)
        try:
            for count, item in enumerate(iterable, 1):
                self.mark(body)
                if count == 1:
                    begun(item)
                yield item
                self.mark(wait)
        finally:
            self._in_steps = not counts
            self.mark(outside)
            if count:
                ended(count, item)
