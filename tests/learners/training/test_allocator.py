from __future__ import annotations

import resource

import pytest
import torch

from learners.training.allocator import keep_freed_memory


def test_freed_memory_is_kept_for_the_next_step() -> None:
    if not keep_freed_memory():
        pytest.skip("the C library is not glibc")
    pages_faulted = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(20):
            torch.ones(1 << 20)  # 4 MiB: 1024 pages each time, were they given back
        pages_faulted.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    assert min(pages_faulted) < 1024


def test_another_c_library_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _name: object())
    assert not keep_freed_memory.__wrapped__()
