"""Threads, denormal numbers, seeds, devices."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from energyprof.errors import DeviceError, UsageError
from learners.training.host import find_device, prepare_host

FRESH = """
import torch
from learners.training.host import flushes_denormals, prepare_host
print(prepare_host(2, seed=1), flushes_denormals(), torch.get_num_threads())
"""


def test_a_fresh_process_flushes_denormals_in_every_thread_of_the_pool() -> None:
    done = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("HostSettings(threads=2, flush_denormal=True, keeps_freed_memory=")
    assert done.stdout.endswith(" True 2\n")


def test_threads_are_set_and_reported() -> None:
    assert prepare_host(2).threads == torch.get_num_threads() == 2
    assert prepare_host().threads == 2
    torch.set_flush_denormal(False)


def test_the_global_generators_are_seeded() -> None:
    draws = []
    for seed in (0, 0, 1):
        prepare_host(seed=seed)
        draws.append((float(torch.rand(())), float(np.random.rand())))
    torch.set_flush_denormal(False)
    assert draws[0] == draws[1] != draws[2]


def test_no_threads_is_an_error() -> None:
    with pytest.raises(UsageError, match="--threads 0 cannot be"):
        prepare_host(0)


def test_the_cpu_is_found() -> None:
    assert find_device("cpu") == torch.device("cpu")


def test_auto_is_the_first_gpu_or_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_device("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert find_device() == torch.device("cuda", 0)
    with pytest.raises(DeviceError, match="--device cuda:3 is not there, seen 1 CUDA devices"):
        find_device("cuda:3")


def test_a_gpu_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="--device cuda is not there, seen no CUDA device"):
        find_device("cuda")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cpu:1", "", "cuda:-1"])
def test_a_name_that_means_no_device_is_an_error(name: str) -> None:
    with pytest.raises(UsageError, match="means no device: give auto, cpu, cuda or cuda:1"):
        find_device(name)
