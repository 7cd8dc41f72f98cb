"""When marks happened on the device: CUDA events in a ring, mapped to the host's clock by anchors.

A GPU runs behind the host. The mark of a phase is therefore also an event in the stream: it tells when the
device had finished what came before. Events are recorded in the loop (no synchronisation there), resolved by
the sampling thread once the device has passed them, and mapped to the host's clock by anchors: events on a
stream of their own, where nothing is queued, so that the host's clock reads around one bracket it to
microseconds.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from ctypes import CDLL, byref, c_int
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from energyprof.errors import DeviceError, UnknownName

__all__ = ["CudaEventClock", "DeviceTimeline", "EventClock", "device_timing", "require_mode"]

_MODES: Final = ("events", "sync", "off")
_CAPACITY: Final = 16_384
_ANCHOR_EVERY_NS: Final = 2_000_000_000  # clock drift of 10 ppm is 20 us by then; float32 ms resolves 0.25 us
_THREAD_LOCAL: Final = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
_ANCHOR_TRIES: Final = 3
_ANCHOR_PATIENCE_NS: Final = 2_000_000


class EventClock(Protocol):
    """What a device gives to time things on it."""

    def new_event(self) -> Any:
        """Return an event that can be recorded again and again."""
        ...

    def record(self, event: Any) -> None:
        """Put the event into the stream that the program works in, without waiting."""
        ...

    def record_aside(self, event: Any) -> None:
        """Put the event into a stream where nothing is queued."""
        ...

    def done(self, event: Any) -> bool:
        """Tell whether the device has passed the event."""
        ...

    def elapsed_s(self, earlier: Any, later: Any) -> float:
        """Return the device time between two events that are done, in seconds."""
        ...

    def apart(self) -> AbstractContextManager[object]:
        """Return a block inside which this thread's questions disturb no other thread's work."""
        ...


class CudaEventClock:
    """CUDA events through torch, on the device that is current when it is made.

    Args:
        device: index of the device, or None for the current one.
    """

    def __init__(self, device: int | None = None) -> None:
        import torch

        cuda: Any = torch.cuda  # torch leaves its streams and events without types
        self._event = cuda.Event
        self._device = cuda.current_device() if device is None else device
        self._aside = cuda.Stream(device=self._device)
        self._current_stream = cuda.current_stream
        self._capturing = cuda.is_current_stream_capturing

    def new_event(self) -> Any:
        """Return a timing event."""
        return self._event(enable_timing=True)

    def record(self, event: Any) -> None:
        """Record on the device's current stream.

        Raises:
            RuntimeError: the stream is being captured as a CUDA graph: a mark would become part of the graph.
        """
        if self._capturing():
            raise RuntimeError("marks inside a CUDA graph are not timed")
        event.record(self._current_stream(self._device))

    def record_aside(self, event: Any) -> None:
        """Record on a stream of its own."""
        event.record(self._aside)

    def done(self, event: Any) -> bool:
        """Query the event."""
        return bool(event.query())

    def elapsed_s(self, earlier: Any, later: Any) -> float:
        """Return seconds between two events; CUDA resolves about half a microsecond."""
        return float(earlier.elapsed_time(later)) / 1e3

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Let this thread ask about events while another one captures a CUDA graph.

        To query an event ends a capture in CUDA's default mode, whichever thread does it
        (pytorch/pytorch#104555); in this mode it concerns the thread's own captures only.
        """
        mode = c_int(_THREAD_LOCAL)
        exchange = _capture_mode_exchange()
        exchange(byref(mode))  # the former mode is in it then
        try:
            yield
        finally:
            exchange(byref(mode))


@cache
def _capture_mode_exchange() -> Callable[[Any], object]:
    """Return CUDA's own function; a driver without it captures no graphs."""
    try:
        return cast(Callable[[Any], object], CDLL("libcuda.so.1").cuThreadExchangeStreamCaptureMode)
    except (OSError, AttributeError):
        return lambda mode: None


def require_mode(mode: str | None) -> None:
    """Refuse a way to time marks that there is not.

    Raises:
        UnknownName: it is none of them.
    """
    if mode is not None and mode not in _MODES:
        raise UnknownName("way to time marks (cuda)", str(mode), _MODES)


def device_timing(
    mode: Literal["events", "sync", "off"] | None, now_ns: Callable[[], int]
) -> tuple[DeviceTimeline | None, Callable[[], int]]:
    """Choose how marks are timed where a GPU works behind the host.

    Args:
        mode: ``events``, ``sync`` or ``off``; None for events where this process uses CUDA already.
        now_ns: the host's clock.

    Returns:
        The timeline of events or None, and the clock that marks read.

    Raises:
        DeviceError: events or synchronisation were asked for, and CUDA is not in use.
    """
    torch: Any = sys.modules.get("torch")
    cuda: Any = getattr(torch, "cuda", None)
    # Asking whether CUDA is available would start its driver, which a process that forks later must not have.
    in_use = cuda is not None and cuda.is_initialized()
    if not in_use and mode in ("events", "sync"):
        raise DeviceError(f"cuda='{mode}' was asked for, but this process does not use CUDA: leave it out")
    if not in_use or mode == "off":
        return None, now_ns
    if mode == "sync":
        synchronize, capturing = cuda.synchronize, cuda.is_current_stream_capturing

        def synchronised_now_ns() -> int:
            if not capturing():  # a CUDA graph: nothing runs yet, and to wait would end the capture
                synchronize()
            return now_ns()

        return None, synchronised_now_ns
    return DeviceTimeline(CudaEventClock(), now_ns), now_ns


@dataclass(frozen=True, slots=True)
class _Anchor:
    """An event whose host time is known: between two clock reads that bracket it."""

    event: Any
    host_ns: int
    uncertainty_ns: int
    first_mark: int  # marks from this one on were recorded after it


class DeviceTimeline:
    """Device times of marks, in the order of the marks.

    :meth:`record` belongs to the thread that marks, the rest to the sampling thread.

    Args:
        events: the device's events.
        now_ns: the host's clock.
        capacity: how many marks may wait for the device before further ones go without a device time.

    Attributes:
        missed: marks without a device time: the ring was full, the device failed, a CUDA graph was captured.
        uncertainty_ns: half the widest bracket of an anchor that was used.
        failed: what the device threw, after which nothing is resolved any more; None as long as it works.
    """

    def __init__(self, events: EventClock, now_ns: Callable[[], int], capacity: int = _CAPACITY) -> None:
        self._events, self._now_ns = events, now_ns
        self._free = deque(events.new_event() for _ in range(capacity))
        self._waiting: deque[tuple[int, Any]] = deque()
        self._spare = [events.new_event() for _ in range(4)]
        self._marks = 0
        self._anchors: list[_Anchor] = []
        self.missed = 0
        self.uncertainty_ns = 0
        self.failed: str | None = None

    def record(self) -> None:
        """Record the next mark's event: a few calls into the driver, no waiting, no allocation."""
        index = self._marks
        self._marks = index + 1
        try:
            event = self._free.popleft()
        except IndexError:
            self.missed += 1
            return
        try:
            self._events.record(event)
        except (
            RuntimeError
        ):  # CUDA's; after a kernel that failed every call throws, and training says so itself
            self.missed += 1
            return
        self._waiting.append((index, event))

    def resolve(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return mark indices and device times (n,), on the host's clock, of what the device has passed.

        Takes a new anchor first where the last one is old. The first call belongs before the first mark.
        A device that fails is left alone from then on; see :attr:`failed`.
        """
        found: list[tuple[int, int]] = []
        try:
            if self.failed is None:
                with self._events.apart():
                    self._renew_anchor()
                    self._resolve_passed(found)
        except RuntimeError as error:  # CUDA's: after a kernel that failed every call throws
            self.failed = (str(error).strip().splitlines() or [type(error).__name__])[0]
        pairs = np.array(found, np.int64).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]

    def _resolve_passed(self, found: list[tuple[int, int]]) -> None:
        while self._anchors and self._waiting and self._events.done(self._waiting[0][1]):
            index, event = self._waiting[0]
            anchor = self._anchor_of(index)
            found.append((index, anchor.host_ns + round(self._events.elapsed_s(anchor.event, event) * 1e9)))
            self._waiting.popleft()
            self._free.append(event)

    @property
    def waiting(self) -> int:
        """Return how many marks the device has not passed yet, as far as :meth:`resolve` has looked."""
        return len(self._waiting)

    def _anchor_of(self, index: int) -> _Anchor:
        """Return the last anchor before a mark, and give up those before it: marks are resolved in order."""
        while len(self._anchors) > 1 and self._anchors[1].first_mark <= index:
            self._spare.append(self._anchors.pop(0).event)
        return self._anchors[0]

    def _renew_anchor(self) -> None:
        """Add an anchor where the last one is old; it serves the marks recorded from now on."""
        if self._anchors and self._now_ns() - self._anchors[-1].host_ns < _ANCHOR_EVERY_NS:
            return
        tries = [found for _ in range(_ANCHOR_TRIES) if (found := self._try_anchor()) is not None]
        if tries:
            best = min(tries, key=lambda anchor: anchor.uncertainty_ns)
            self.uncertainty_ns = max(self.uncertainty_ns, best.uncertainty_ns)
            self._spare.extend(anchor.event for anchor in tries if anchor is not best)
            self._anchors.append(best)

    def _try_anchor(self) -> _Anchor | None:
        """Bracket an event between two clock reads; None where the device did not get to it in time."""
        event = self._spare.pop() if self._spare else self._events.new_event()
        before_ns = self._now_ns()
        self._events.record_aside(event)
        while not self._events.done(event):
            if self._now_ns() - before_ns > _ANCHOR_PATIENCE_NS:
                return None  # an event still under way is not used again
        after_ns = self._now_ns()
        return _Anchor(event, (before_ns + after_ns) // 2, (after_ns - before_ns) // 2, self._marks)
