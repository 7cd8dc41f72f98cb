from __future__ import annotations

import pytest

from energyprof.clock import Clock
from energyprof.errors import UsageError
from energyprof.testing.clock import WALL_EPOCH_NS, VirtualClock
from energyprof.testing.nvml import StandInNvml


def test_a_virtual_clock_moves_only_when_told() -> None:
    clock: Clock = VirtualClock(start_ns=7)
    assert (clock.now_ns(), clock.now_ns()) == (7, 7)
    clock.sleep_until_ns(12)
    assert (clock.now_ns(), clock.wall_ns()) == (12, WALL_EPOCH_NS + 12)


def test_sleeping_until_the_past_does_nothing() -> None:
    clock = VirtualClock(start_ns=7)
    clock.sleep_until_ns(3)
    assert clock.now_ns() == 7


def test_a_virtual_clock_does_not_go_back() -> None:
    with pytest.raises(UsageError):
        VirtualClock().advance_ns(-1)


def test_a_stand_in_and_its_clock_share_the_time() -> None:
    with StandInNvml(["volta"]) as nvml:
        assert isinstance(nvml.clock, VirtualClock)
        before_ns = nvml.clock.now_ns()
        nvml.clock.advance_ns(5)
        assert nvml.clock.now_ns() == before_ns + 5
