"""The background thread of a recording: it puts rows on disk at least once a second, and reads the sensors.

Where a process of its own reads them (:mod:`.relayed_sampler`), it only asks for the rows and writes them.

The interpreter's switch interval is left alone: it is the user's. A training loop that never lets go of the
interpreter delays a poll by some 5 ms; the rows then say so (their times are further apart), and counters
lose nothing. The work of a wake-up is some tens of microseconds, most of it inside NVML with the lock
released.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Final

from energyprof.clock import Clock
from energyprof.recording.sample_source import SampleSource
from energyprof.recording.sensor_track import NEVER_NS

__all__ = ["SamplingThread"]

_FLUSH_NS: Final = 1_000_000_000
_ALONE: Final = (
    "no thread could be started ({}): nothing was put on disk before the end, and what a thread would have "
    "read was read at the beginning and at the end only"
)


class SamplingThread:
    """Runs ``sampler.poll`` when it is due and ``flush`` at least once a second, in a daemon thread.

    In a forked child it is inert: the thread does not exist there, and :meth:`stop` returns at once.
    """

    def __init__(self, sampler: SampleSource, clock: Clock, flush: Callable[[], None]) -> None:
        """Prepare; nothing runs before :meth:`start`.

        Args:
            sampler: what to run; nobody else may poll it meanwhile.
            clock: the clock that the sampler was made with.
            flush: called at least once a second from the thread. An exception from it, or from the sampler,
                is kept in :attr:`flush_errors`, and both go on.
        """
        self._sampler, self._clock, self._flush = sampler, clock, flush
        self._stopping = threading.Lock()  # released to stop; waiting on it costs no more than sleeping
        self._stopping.acquire()
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()
        self._cpu_ns = 0
        self._alone = False  # without a thread, as where a limit on their number is reached
        self.flush_errors: list[str] = []

    @property
    def cpu_s(self) -> float:
        """Return the CPU time that the thread had spent by its last flush, flushes included."""
        return self._cpu_ns / 1e9

    @property
    def running(self) -> bool:
        """Tell whether the thread runs in this process."""
        return self._pid == os.getpid() and self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread; a second call does nothing."""
        if self._thread is None and self._pid == os.getpid():
            thread = threading.Thread(target=self._run, name="energyprof-sampler", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                self._alone = True
                self.flush_errors.append(_ALONE.format(error))
                return
            self._thread = thread

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Stop the thread, read every sensor a last time and flush; a second call does nothing.

        Args:
            timeout_s: how long to wait for a call into a driver that hangs.

        Returns:
            Whether it ended in time. If not, the last reading is left out.
        """
        if self._alone and self._pid == os.getpid():
            self._alone = False
            self._finish()
        if self._thread is None or self._pid != os.getpid():
            return True
        if self._stopping.locked():
            self._stopping.release()
        self._thread.join(timeout_s)
        ended = not self._thread.is_alive()
        if ended:
            self._thread = None
        return ended

    def _run(self) -> None:
        stopped = False
        while not stopped:
            try:
                self._sample()
                stopped = True
            except Exception as error:  # what was recorded until then, and marks, go on to the disk
                self._keep(error)
                stopped = self._clock.wait_until_ns(self._clock.now_ns() + _FLUSH_NS, self._stopping)
                self._try_flush()
        self._finish()
        self._cpu_ns = time.thread_time_ns()

    def _sample(self) -> None:
        poll, rest, wait = self._sampler.poll, self._sampler.rest, self._clock.wait_until_ns
        flush_due_ns = self._clock.now_ns() + _FLUSH_NS
        stopped = False
        while not stopped:
            due_ns = poll()
            early = due_ns < NEVER_NS  # the next wake-up would be too late, and one more would cost more
            if due_ns > flush_due_ns and (early or self._clock.now_ns() >= flush_due_ns):
                self._try_flush()
                flush_due_ns = self._clock.now_ns() + _FLUSH_NS
                due_ns = min(self._sampler.next_due_ns(), flush_due_ns)
                self._cpu_ns = time.thread_time_ns()
            stopped = rest(wait, self._stopping, due_ns, flush_due_ns)

    def _finish(self) -> None:
        self._sampler.finish()
        self._try_flush()

    def _try_flush(self) -> None:
        try:
            self._flush()
        except Exception as error:  # a full disk must not end sampling
            self._keep(error)

    def _keep(self, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        if reason not in self.flush_errors:
            self.flush_errors.append(reason)
