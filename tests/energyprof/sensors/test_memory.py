from __future__ import annotations

import mmap
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from types import SimpleNamespace

import pytest

from energyprof.errors import SensorError, SensorUnavailable
from energyprof.sensors.memory import AllocatorMemory, HostMemory


def values(sensor: HostMemory | AllocatorMemory) -> dict[str, float]:
    return {reading.channel: reading.value for reading in sensor.read()}


@contextmanager
def touched(size_bytes: int) -> Iterator[None]:
    """Hold memory that is new: the heap may have kept some that other tests have freed."""
    with mmap.mmap(-1, size_bytes) as block:
        for start in range(0, size_bytes, mmap.PAGESIZE):
            block[start] = 1
        yield


def test_resident_memory_is_that_of_this_process() -> None:
    import psutil

    sensor = HostMemory()
    seen = values(sensor)
    assert seen["host/memory"] == pytest.approx(psutil.Process().memory_info().rss, rel=0.05)
    assert seen["host/memory_peak"] >= seen["host/memory"]
    sensor.close()


def test_a_big_allocation_shows_and_its_peak_stays() -> None:
    sensor = HostMemory()
    before = values(sensor)["host/memory"]
    with touched(64 * 1024**2):
        assert values(sensor)["host/memory"] - before > 60 * 1024**2
    assert values(sensor)["host/memory_peak"] - before > 60 * 1024**2
    sensor.close()


def test_without_proc_psutil_is_asked(tmp_path: Path) -> None:
    sensor = HostMemory(tmp_path / "nothing")
    assert values(sensor)["host/memory"] > 1024**2
    assert "psutil" in sensor.info.semantics
    sensor.close()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_a_reading_takes_microseconds_and_leaves_no_file_open() -> None:
    files = len(os.listdir("/proc/self/fd"))
    sensor = HostMemory()
    best = min(_time_a_reading(sensor) for _ in range(50))
    sensor.close()
    sensor.close()
    assert best < 20e-6  # some 2 us on a quiet machine
    assert len(os.listdir("/proc/self/fd")) == files


def _time_a_reading(sensor: HostMemory) -> float:
    before = time.perf_counter()
    for _ in range(20):
        sensor.read()
    return (time.perf_counter() - before) / 20


@pytest.mark.skipif(sys.platform == "win32", reason="needs getrusage")
def test_a_peak_between_two_readings_is_not_missed() -> None:
    sensor = HostMemory()
    before = values(sensor)
    highest = getrusage(RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    with touched(int(highest - before["host/memory"] + 40e6)):
        pass
    after = values(sensor)
    sensor.close()
    assert after["host/memory_peak"] > highest + 20e6
    assert after["host/memory_peak"] > after["host/memory"] + 20e6


def test_a_peak_from_before_the_recording_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("energyprof.sensors.memory._resident_mark", lambda: lambda: 1e15)
    sensor = HostMemory()
    for _ in range(3):
        peak_bytes = values(sensor)["host/memory_peak"]
    sensor.close()
    assert peak_bytes < 1e12


class Torch:
    """Torch's allocator on two devices, as far as it is asked."""

    def __init__(self) -> None:
        self.initialized = False
        self.current, self.peak = [0, 0], [900, 0]
        self.cuda = self
        self.version = SimpleNamespace(cuda="12.6")

    def is_initialized(self) -> bool:
        return self.initialized

    def memory_stats_as_nested_dict(self, device: int) -> dict[str, dict[str, dict[str, int]]]:
        figures = {"current": self.current[device], "peak": self.peak[device]}
        return {"allocated_bytes": {"all": figures}, "reserved_bytes": {"all": {"current": 2_000}}}


def test_the_allocator_is_read_once_the_program_uses_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = Torch()
    monkeypatch.setitem(sys.modules, "torch", torch)
    sensor = AllocatorMemory(["gpu:0", "gpu:1"])
    assert values(sensor) == {}
    torch.initialized, torch.current = True, [100, 0]
    assert values(sensor) == {
        "gpu:0/memory_allocated": 100,
        "gpu:0/memory_reserved": 2_000,
        "gpu:0/memory_peak": 100,  # 900 was before
        "gpu:1/memory_allocated": 0,
        "gpu:1/memory_reserved": 2_000,
        "gpu:1/memory_peak": 0,
    }
    torch.peak = [1_500, 0]
    assert values(sensor)["gpu:0/memory_peak"] == 1_500
    torch.peak = [100, 0]  # the program has reset it
    assert values(sensor)["gpu:0/memory_peak"] == 1_500
    assert [spec.domain for spec in sensor.channels] == 3 * ["gpu:0"] + 3 * ["gpu:1"]


def test_an_allocator_that_does_not_tell_is_a_failure_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = Torch()
    torch.initialized = True
    monkeypatch.setattr(torch, "memory_stats_as_nested_dict", lambda _: {})
    monkeypatch.setitem(sys.modules, "torch", torch)
    with pytest.raises(SensorError, match="torch does not tell"):
        AllocatorMemory(["gpu:0"]).read()


CPU_BUILD = SimpleNamespace(cuda=Torch(), version=SimpleNamespace(cuda=None))


@pytest.mark.parametrize("module", [None, SimpleNamespace(), CPU_BUILD])
def test_without_torch_there_is_no_allocator(monkeypatch: pytest.MonkeyPatch, module: object) -> None:
    monkeypatch.setitem(sys.modules, "torch", module)
    with pytest.raises(SensorUnavailable):
        AllocatorMemory(["gpu:0"])


def test_torch_as_it_is_installed_is_asked_without_being_started() -> None:
    torch = pytest.importorskip("torch")
    if torch.version.cuda is None:
        with pytest.raises(SensorUnavailable, match="has no CUDA"):
            AllocatorMemory(["gpu:0"])
        return
    sensor = AllocatorMemory(["gpu:0"])
    assert sensor.read() == () or torch.cuda.is_initialized()
