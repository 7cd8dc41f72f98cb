from __future__ import annotations

from collections.abc import Iterator

import pynvml
import pytest

from energyprof.testing.nvml import StandInNvml


@pytest.fixture
def hopper() -> Iterator[StandInNvml]:
    """One H100 in virtual time, loaded into pynvml and initialised."""
    with StandInNvml(["hopper"]) as nvml, nvml.loaded():
        pynvml.nvmlInit()
        yield nvml


@pytest.fixture
def handle(hopper: StandInNvml) -> object:
    return pynvml.nvmlDeviceGetHandleByIndex(0)
