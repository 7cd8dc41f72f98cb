from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from energyprof.clock import SystemClock
from energyprof.errors import DeviceError
from energyprof.recording import cuda_timeline, profiler
from energyprof.recording.cuda_timeline import DeviceTimeline, device_timing
from energyprof.recording.marks import MarkBuffer

OFFSET_NS = 123_456_789  # the device's clock has an origin of its own


@dataclass
class FakeEvent:
    device_ns: int | None = None


@dataclass
class FakeDevice:
    """A device with one queue, some way behind the host, whose clock runs 20 ppm fast."""

    host_ns: int = 0
    busy_until_ns: int = 0
    events: list[FakeEvent] = field(default_factory=list)
    tick_ns: int = 500
    refuses_aside: bool = False
    error: str = ""
    blocks: int = 0

    def now_ns(self) -> int:
        self.host_ns += self.tick_ns
        return self.host_ns

    def launch(self, duration_ns: int) -> None:
        self.busy_until_ns = max(self.busy_until_ns, self.host_ns) + duration_ns

    def to_device(self, host_ns: int) -> int:
        return OFFSET_NS + round(host_ns * 1.00002)

    def new_event(self) -> FakeEvent:
        return FakeEvent()

    def record(self, event: FakeEvent) -> None:
        self.fail()
        event.device_ns = self.to_device(max(self.host_ns, self.busy_until_ns))

    def record_aside(self, event: FakeEvent) -> None:
        self.host_ns += 2_000
        event.device_ns = 10**18 if self.refuses_aside else self.to_device(self.host_ns)
        self.host_ns += 3_000

    def fail(self) -> None:
        if self.error:
            raise RuntimeError(self.error)

    def done(self, event: FakeEvent) -> bool:
        self.fail()
        assert self.blocks == 1, "to ask about an event ends another thread's capture of a graph"
        return event.device_ns is not None and event.device_ns <= self.to_device(self.host_ns)

    @contextmanager
    def apart(self) -> Iterator[None]:
        self.blocks += 1
        yield
        self.blocks -= 1

    def elapsed_s(self, earlier: FakeEvent, later: FakeEvent) -> float:
        assert earlier.device_ns is not None
        assert later.device_ns is not None
        assert later.device_ns >= earlier.device_ns, "CUDA promises nothing for events in reverse"
        return float(np.float32((later.device_ns - earlier.device_ns) / 1e6)) / 1e3


def test_marks_get_the_time_at_which_the_device_reached_them() -> None:
    device = FakeDevice()
    timeline = DeviceTimeline(device, device.now_ns)
    timeline.resolve()
    truth, found = {}, {}
    for k in range(2_000):  # 20 s: several anchors, each 20 ppm further off
        device.host_ns += 5_000_000
        timeline.record()
        truth[k] = max(device.host_ns, device.busy_until_ns)
        device.launch(9_000_000)
        if k % 100 == 0:
            device.busy_until_ns = min(device.busy_until_ns, device.host_ns + 50_000_000)
            rows, times = timeline.resolve()
            found |= dict(zip(rows.tolist(), times.tolist(), strict=True))
    device.host_ns = device.busy_until_ns + 10_000_000
    rows, times = timeline.resolve()
    found |= dict(zip(rows.tolist(), times.tolist(), strict=True))
    assert sorted(found) == sorted(truth)
    errors_ns = np.array([found[k] - truth[k] for k in truth])
    assert np.abs(errors_ns).max() < 150_000
    assert timeline.waiting == 0
    assert timeline.uncertainty_ns < 10_000


def test_nothing_is_waited_for_in_the_loop_and_unreached_marks_stay_for_later() -> None:
    device = FakeDevice()
    timeline = DeviceTimeline(device, device.now_ns)
    timeline.resolve()
    device.launch(1_000_000_000)
    timeline.record()
    assert timeline.resolve()[0].size == 0
    assert timeline.waiting == 1
    device.host_ns += 2_000_000_000
    assert timeline.resolve()[0].tolist() == [0]


def test_a_full_ring_leaves_marks_without_device_time_and_counts_them() -> None:
    device = FakeDevice()
    timeline = DeviceTimeline(device, device.now_ns, capacity=4)
    timeline.resolve()
    for _ in range(6):
        timeline.record()
    assert timeline.missed == 2
    device.host_ns += 1_000_000
    assert timeline.resolve()[0].tolist() == [0, 1, 2, 3]
    timeline.record()
    device.host_ns += 1_000_000
    assert timeline.resolve()[0].tolist() == [6]


def test_a_device_that_never_reaches_an_anchor_gives_no_times_and_does_not_hang() -> None:
    device = FakeDevice(refuses_aside=True)
    timeline = DeviceTimeline(device, device.now_ns)
    timeline.record()
    assert timeline.resolve()[0].size == 0


def test_a_device_that_fails_is_left_alone_and_its_marks_are_counted() -> None:
    device = FakeDevice()
    timeline = DeviceTimeline(device, device.now_ns)
    timeline.resolve()
    timeline.record()
    device.host_ns += 1_000_000
    assert timeline.resolve()[0].tolist() == [0]
    timeline.record()
    device.error = "CUDA error: device-side assert triggered\nCUDA kernel errors might be reported later"
    timeline.record()
    assert timeline.resolve()[0].size == 0
    assert timeline.failed == "CUDA error: device-side assert triggered"
    device.error = ""
    assert timeline.resolve()[0].size == 0
    assert (timeline.missed, timeline.waiting) == (1, 1)


def test_a_run_on_a_device_that_fails_ends_with_its_report_and_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = FakeDevice()
    clock = SystemClock()

    def timing(mode: object, now_ns: object) -> tuple[DeviceTimeline, Callable[[], int]]:
        return DeviceTimeline(device, device.now_ns), clock.now_ns

    monkeypatch.setattr(profiler, "device_timing", timing)
    with profiler.Profiler("t", out=tmp_path, sensors=[], html=False) as prof:
        for k in prof.steps(range(5)):
            device.error = "CUDA error: an illegal memory access was encountered" if k == 2 else device.error
    assert prof.run.report.totals.steps == 5
    (told,) = (flag for flag in prof.run.report.flags if flag.code == "recording-problem")
    assert "marks were not timed on the device (CUDA error: an illegal memory access" in told.message


class FakeCuda:
    """What CudaEventClock and the synchronising clock use of ``torch.cuda``."""

    def __init__(self) -> None:
        self.capturing, self.recorded, self.waited = False, 0, 0
        self.current_device = lambda: 0
        self.Stream = SimpleNamespace
        self.current_stream = lambda device: device
        self.is_current_stream_capturing = lambda: self.capturing
        self.is_initialized = lambda: True

    def Event(self, *, enable_timing: bool) -> SimpleNamespace:  # noqa: N802 - torch's name
        assert enable_timing
        return SimpleNamespace(record=self._record, query=lambda: True, elapsed_time=lambda _: 1.0)

    def _record(self, stream: object) -> None:
        self.recorded += 1

    def synchronize(self) -> None:
        self.waited += 1


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    fake = FakeCuda()
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=fake))
    return fake


def test_a_mark_while_a_graph_is_captured_stays_out_of_the_graph(cuda: FakeCuda) -> None:
    timeline, _ = device_timing("events", iter(range(0, 10**9, 1000)).__next__)
    assert timeline is not None
    timeline.resolve()
    before = cuda.recorded
    cuda.capturing = True
    timeline.record()
    assert (cuda.recorded, timeline.missed, timeline.waiting) == (before, 1, 0)
    cuda.capturing = False
    timeline.record()
    assert timeline.resolve()[0].tolist() == [1]


def test_nothing_waits_for_the_device_while_a_graph_is_captured(cuda: FakeCuda) -> None:
    _, now_ns = device_timing("sync", iter(range(9)).__next__)
    now_ns()
    cuda.capturing = True
    now_ns()
    assert cuda.waited == 1


def test_a_threads_capture_mode_is_changed_while_it_asks_and_put_back(
    cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = [0]

    def exchange(pointer: Any) -> None:
        wanted, pointer._obj.value = pointer._obj.value, modes[-1]
        modes.append(wanted)

    monkeypatch.setattr(cuda_timeline, "_capture_mode_exchange", lambda: exchange)
    with cuda_timeline.CudaEventClock().apart():
        assert modes[-1] == 1
    assert modes == [0, 1, 0]


def test_nothing_asks_whether_cuda_is_available(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked() -> bool:
        raise AssertionError("this starts the driver, and a forked child could not use it any more")

    cuda = SimpleNamespace(is_available=asked, is_initialized=lambda: False)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    clock = iter(range(9)).__next__
    assert device_timing(None, clock) == (None, clock)


def test_every_mark_records_one_event_in_the_order_of_the_rows() -> None:
    events = []
    buffer = MarkBuffer(iter(range(100)).__next__, lambda: events.append(len(events)))
    for _ in buffer.steps(range(2), "train"):
        with buffer.phase("forward"):
            pass
    assert len(events) == buffer.drain().start_ns.size


def test_without_cuda_marks_are_timed_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    clock = iter(range(9)).__next__
    assert device_timing(None, clock) == (None, clock)
    assert device_timing("off", clock) == (None, clock)
    with pytest.raises(DeviceError, match="does not use CUDA"):
        device_timing("events", clock)
