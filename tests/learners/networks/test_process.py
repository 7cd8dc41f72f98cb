from __future__ import annotations

import sys

import pytest
import torch

from learners.networks.process import prepare_process


def test_threads_denormals_and_allocator_are_set_and_reported():
    threads = torch.get_num_threads()
    try:
        settings = prepare_process(1)
        assert settings.threads == torch.get_num_threads() == 1
        assert settings.flush_denormal == (float(torch.tensor([1e-40]) * 1.0) == 0.0)
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(False)


def test_without_a_number_torch_keeps_its_threads():
    before = torch.get_num_threads()
    assert prepare_process().threads == before
    torch.set_flush_denormal(False)


@pytest.mark.skipif(sys.platform != "linux", reason="the allocator is asked on Linux only")
def test_freed_memory_is_kept_for_the_next_step():
    import resource

    kept = prepare_process().keeps_freed_memory
    torch.set_flush_denormal(False)
    if not kept:
        pytest.skip("the C library is not glibc")
    torch.zeros(1 << 20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.zeros(1 << 20)  # 4 MiB: 1024 pages each time, were they given back
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 5 * 1024
