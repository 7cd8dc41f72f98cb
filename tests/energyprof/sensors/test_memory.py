from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from energyprof.sensors.memory import HostMemory, allocator_memory, peak_host_memory_bytes


def values(sensor: HostMemory) -> dict[str, float]:
    return {reading.channel: reading.value for reading in sensor.read()}


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
    block = bytearray(64 * 1024**2)
    assert values(sensor)["host/memory"] - before > 60 * 1024**2
    del block
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
def test_the_peak_since_the_start_is_at_least_what_is_resident() -> None:
    peak = peak_host_memory_bytes()
    sensor = HostMemory()
    assert peak is not None
    assert peak >= values(sensor)["host/memory"] * 0.9
    sensor.close()


def test_the_allocator_is_asked_only_where_torch_runs_on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert allocator_memory() is None
    monkeypatch.setitem(
        sys.modules, "torch", SimpleNamespace(cuda=SimpleNamespace(is_initialized=lambda: False))
    )
    assert allocator_memory() is None
    cuda = SimpleNamespace(
        is_initialized=lambda: True,
        memory_allocated=lambda _: 1,
        memory_reserved=lambda _: 2,
        max_memory_allocated=lambda _: 3,
        max_memory_reserved=lambda _: 4,
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    memory = allocator_memory(0)
    assert memory is not None
    assert (memory.allocated_bytes, memory.reserved_bytes) == (1, 2)
    assert (memory.peak_allocated_bytes, memory.peak_reserved_bytes) == (3, 4)
