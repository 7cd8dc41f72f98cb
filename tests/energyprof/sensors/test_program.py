from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import pytest

from energyprof.sensors.program import Program


def test_it_is_this_process() -> None:
    assert Program.here().pid == os.getpid()


def test_torch_is_asked_only_where_it_runs_on_cuda_already(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert not Program.here().uses_cuda()
    assert Program.here().torch_uuids is None

    def fake(initialised: bool, *uuids: str | None) -> SimpleNamespace:
        return SimpleNamespace(
            cuda=SimpleNamespace(
                is_initialized=lambda: initialised,
                device_count=lambda: len(uuids),
                get_device_properties=lambda k: SimpleNamespace(**({"uuid": uuids[k]} if uuids[k] else {})),
            )
        )

    monkeypatch.setitem(sys.modules, "torch", fake(False, "a"))
    assert Program.here().torch_uuids is None
    monkeypatch.setitem(sys.modules, "torch", fake(True, "a", "b"))
    assert Program.here().uses_cuda()
    assert Program.here().torch_uuids == ("GPU-a", "GPU-b")
    monkeypatch.setitem(sys.modules, "torch", fake(True, None))
    assert Program.here().torch_uuids is None


def test_a_device_that_failed_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def failed(index: int) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    cuda = SimpleNamespace(is_initialized=lambda: True, device_count=lambda: 1, get_device_properties=failed)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert Program.here().torch_uuids is None
