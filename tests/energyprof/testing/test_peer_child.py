from __future__ import annotations

import json
import os
import time

import pytest

from energyprof.testing import peer_child
from energyprof.testing.peer_adapters import PeerEnergy, Work
from energyprof.testing.peer_child import Steps, main


def test_steps_begin_where_power_repeats_and_keep_their_true_times() -> None:
    origin_ns, period_ns = time.perf_counter_ns() - 123_456_789, 2_000_000
    steps = Steps(3, origin_ns, period_ns)
    steps.begin()
    for k in range(steps.count):
        steps.step(k)
    steps.end()
    assert len(steps.times_ns) == 3
    assert steps.begun_ns < steps.times_ns[0][0]
    assert steps.times_ns[-1][1] <= steps.ended_ns
    assert all(begun_ns < ended_ns for begun_ns, ended_ns in steps.times_ns)
    assert steps.ended_ns - steps.begun_ns >= 3 * period_ns


def answer(monkeypatch: pytest.MonkeyPatch, measure: object) -> dict[str, object]:
    monkeypatch.setitem(peer_child.ADAPTERS, "tool", measure)  # type: ignore[arg-type]
    read, write = os.pipe()
    main("tool", Steps(2, 0, 1_000_000), write)
    with os.fdopen(read) as file:
        said: dict[str, object] = json.loads(file.read())
    return said


def test_what_a_tool_says_is_written_with_the_true_times(monkeypatch: pytest.MonkeyPatch) -> None:
    def tool() -> object:
        def measure(work: Work) -> PeerEnergy:
            work.begin()
            for k in range(work.count):
                work.step(k)
            work.end()
            return PeerEnergy(total_j=5.0, steps_j=[2.0, 3.0])

        return measure

    said = answer(monkeypatch, tool)
    assert (said["total_j"], said["steps_j"]) == (5.0, [2.0, 3.0])
    assert len(said["times_ns"]) == len(said["window_ns"]) == 2  # type: ignore[arg-type]


def test_what_a_tool_throws_is_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def tool() -> object:
        raise RuntimeError("no such device")

    assert answer(monkeypatch, tool) == {"failed": "RuntimeError: no such device"}
