"""The background thread: it samples, flushes, stops, and leaves nothing behind."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Sequence

import pytest

from energyprof.clock import SystemClock, Wake
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Provenance, SensorInfo
from energyprof.recording.sampler import Sampler
from energyprof.recording.sampling_thread import SamplingThread
from energyprof.sensors.base import ChannelSpec, Reading

MS = 1_000_000


class TickingSensor:
    """Counts its readings."""

    refresh_ns = MS
    edges = False
    info = SensorInfo(name="ticking", source=Provenance.COUNTER, semantics="a test's sensor")
    channels = (ChannelSpec(name="x", domain="x", kind=ChannelKind.ENERGY, unit="J"),)

    def __init__(self, hold: threading.Event | None = None) -> None:
        self.readings = 0
        self.threads: set[str] = set()
        self._hold = hold

    def read(self) -> Sequence[Reading]:
        self.readings += 1
        self.threads.add(threading.current_thread().name)
        if self._hold is not None and self.readings > 1:
            self._hold.wait(20)
        return [Reading("x", float(self.readings))]

    def close(self) -> None:
        pass


class HurryingClock(SystemClock):
    """Lets no time pass while it sleeps, and a tenth of a second each time that it is asked to."""

    def __init__(self) -> None:
        self.skipped_ns = 0

    def now_ns(self) -> int:  # type: ignore[override]
        return time.perf_counter_ns() + self.skipped_ns

    def sleep_until_ns(self, deadline_ns: int) -> None:  # type: ignore[override]
        self.skipped_ns += max(0, deadline_ns - self.now_ns())
        time.sleep(0)

    def wait_until_ns(self, deadline_ns: int, wake: Wake) -> bool:  # type: ignore[override]
        self.sleep_until_ns(deadline_ns)
        return wake.acquire(blocking=False)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 20 s"
        time.sleep(0.001)


def make(sensor: TickingSensor, flush: Callable[[], None] = lambda: None) -> tuple[Sampler, SamplingThread]:
    clock = HurryingClock()
    sampler = Sampler([sensor], clock, clock.now_ns())
    return sampler, SamplingThread(sampler, clock, flush)


def test_it_samples_and_flushes_in_a_daemon_thread_of_its_own_name() -> None:
    flushes: list[str] = []
    sensor = TickingSensor()
    sampler, thread = make(sensor, lambda: flushes.append(threading.current_thread().name))
    thread.start()
    thread.start()
    assert sum(t.name == "energyprof-sampler" for t in threading.enumerate()) == 1
    assert all(t.daemon for t in threading.enumerate() if t.name == "energyprof-sampler")
    wait_for(lambda: len(flushes) >= 3)
    assert thread.stop()
    assert set(flushes) | sensor.threads == {"energyprof-sampler"}
    assert len(sampler.drain()) == sensor.readings
    assert thread.cpu_s > 0


def test_stopping_reads_and_flushes_a_last_time_and_a_second_stop_does_nothing() -> None:
    flushes: list[int] = []
    sensor = TickingSensor()
    sampler, thread = make(sensor, lambda: flushes.append(sensor.readings))
    thread.start()
    wait_for(lambda: sensor.readings > 0)
    assert thread.running
    assert thread.stop()
    assert not thread.running
    assert flushes[-1] == sensor.readings
    before = sensor.readings
    assert thread.stop()
    sampler.finish()
    assert sensor.readings == before


def test_a_flush_that_throws_ends_neither_sampling_nor_training() -> None:
    def full() -> None:
        raise OSError("no space left on device")

    sensor = TickingSensor()
    _, thread = make(sensor, full)
    thread.start()
    wait_for(lambda: sensor.readings > 30)
    assert thread.stop()
    assert thread.flush_errors == ["OSError: no space left on device"]


def test_a_sampler_that_throws_ends_neither_itself_nor_the_flushes(monkeypatch: pytest.MonkeyPatch) -> None:
    flushes: list[int] = []
    sensor = TickingSensor()
    sampler, thread = make(sensor, lambda: flushes.append(sensor.readings))
    poll, polls = sampler.poll, itertools.count()

    def memory_is_full() -> int:
        if next(polls) % 5 == 4:
            raise MemoryError("no room for a row")
        return poll()

    monkeypatch.setattr(sampler, "poll", memory_is_full)
    thread.start()
    wait_for(lambda: len(flushes) >= 3 and sensor.readings > 10)
    assert thread.stop()
    assert thread.flush_errors == ["MemoryError: no room for a row"]
    assert flushes[-1] == sensor.readings


def test_a_driver_that_hangs_does_not_hang_the_end_of_training() -> None:
    release = threading.Event()
    sensor = TickingSensor(release)
    sampler, thread = make(sensor)
    thread.start()
    wait_for(lambda: sensor.readings > 1)
    began = time.monotonic()
    assert not thread.stop(timeout_s=0.05)
    sampler.finish()
    assert time.monotonic() - began < 5
    assert sensor.readings == 2
    release.set()
    wait_for(lambda: not thread.running)


def test_a_thousand_threads_leave_none_behind() -> None:
    before = threading.active_count()
    for _ in range(1000):
        _, thread = make(TickingSensor())
        thread.start()
        assert thread.stop()
    assert threading.active_count() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_in_a_forked_child_it_is_inert() -> None:
    sensor = TickingSensor()
    _, thread = make(sensor)
    thread.start()
    wait_for(lambda: sensor.readings > 0)
    child = os.fork()
    if child == 0:
        readings = sensor.readings
        quiet = not thread.running and thread.stop() and sensor.readings == readings
        thread.start()
        os._exit(0 if quiet and not thread.running else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert thread.running
    assert thread.stop()


def test_a_thread_that_was_never_started_stops_at_once() -> None:
    _, thread = make(TickingSensor())
    assert not thread.running
    assert thread.stop()
