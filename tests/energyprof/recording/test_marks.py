from __future__ import annotations

import itertools
import os
from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from energyprof.recording.marks import MarkBuffer


def ticking() -> Callable[[], int]:
    return itertools.count(0, 10).__next__


def drained(buffer: MarkBuffer) -> list[tuple[str, int]]:
    rows = buffer.drain()
    return [(buffer.phases[p], s) for p, s in zip(rows.phase.tolist(), rows.step.tolist(), strict=True)]


def test_a_step_is_the_wait_for_its_data_and_its_body() -> None:
    buffer = MarkBuffer(ticking())
    for _ in buffer.steps(range(2), "train"):
        pass
    expected = [("train/data", 0), ("train", 0), ("train/data", 1), ("train", 1), ("train/data", -1)]
    assert drained(buffer) == [*expected, ("unattributed", -1)]


def test_a_loop_that_outlives_its_recording_fills_no_memory() -> None:
    buffer = MarkBuffer(ticking())
    for step in buffer.steps(range(40_000), "train"):
        if step == 10:
            assert len(buffer.drain().step) == 22
            buffer.close()
    assert sum(len(times) for times, _ in buffer.collect()) < 1 << 14


def test_marks_of_two_threads_that_took_turns_are_put_in_order() -> None:
    times = iter([100, 110, 130, 120, 115, 140, 90, 150])
    buffer = MarkBuffer(times.__next__)
    for _ in range(4):
        buffer.mark(0)
    assert buffer.drain().start_ns.tolist() == [100, 110, 130, 130]
    assert buffer.drain().start_ns.tolist() == []
    for _ in range(4):
        buffer.mark(0)
    assert buffer.drain().start_ns.tolist() == [130, 140, 140, 150]


def test_phases_nest_and_are_named_by_their_path() -> None:
    buffer = MarkBuffer(ticking())
    for _ in buffer.steps([1], "train"):
        with buffer.phase("forward"), buffer.phase("layer1"):
            pass
    names = [name for name, _ in drained(buffer)]
    assert names == [
        *("train/data", "train", "train/forward", "train/forward/layer1", "train/forward", "train"),
        *("train/data", "unattributed"),
    ]


def test_a_loop_that_is_left_early_counts_the_step_it_was_in() -> None:
    buffer = MarkBuffer(ticking())
    for item in buffer.steps(range(9), "train"):
        if item == 2:
            break
    rows = buffer.drain()
    assert rows.step.max() == 2
    assert buffer.phases[rows.phase[-1]] == "unattributed"


def test_an_empty_loader_has_no_steps() -> None:
    buffer = MarkBuffer(ticking())
    assert list(buffer.steps([], "train")) == []
    assert [step for _, step in drained(buffer)] == [-1, -1]


def test_phases_inside_the_loader_belong_to_the_step_they_fetch() -> None:
    buffer = MarkBuffer(ticking())

    def loader() -> object:
        for k in range(2):
            with buffer.phase("decode"):
                pass
            yield k

    for _ in buffer.steps(loader(), "train"):  # type: ignore[var-annotated, arg-type]
        pass
    assert ("train/data/decode", 1) in drained(buffer)


def test_steps_within_steps_are_phases_of_the_outer_step() -> None:
    buffer = MarkBuffer(ticking())
    for _ in buffer.steps(range(2), "outer"):
        for _ in buffer.steps(range(3), "inner"):
            pass
    rows = drained(buffer)
    assert max(step for _, step in rows) == 1
    assert ("outer/inner", 1) in rows


def test_first_and_last_item_are_told_with_the_count() -> None:
    told: list[object] = []
    buffer = MarkBuffer(ticking())
    for _ in buffer.steps("abc", "train", told.append, lambda n, last: told.append((n, last))):
        pass
    assert told == ["a", (3, "c")]


@given(
    plan=st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=8),
    drains=st.sets(st.integers(0, 60), max_size=10),
)
def test_when_it_is_drained_changes_nothing(plan: list[tuple[int, bool]], drains: set[int]) -> None:
    def play(when: set[int]) -> tuple[list[int], list[str], list[int]]:
        buffer, moment = MarkBuffer(ticking()), itertools.count()
        rows = []
        for count, evaluates in plan:
            for _ in buffer.steps(range(count), "train"):
                with buffer.phase("forward"):
                    if next(moment) in when:
                        rows.append(buffer.drain())
            if evaluates:
                with buffer.phase("evaluate"):
                    if next(moment) in when:
                        rows.append(buffer.drain())
        rows.append(buffer.drain())
        return (
            np.concatenate([r.start_ns for r in rows]).tolist(),
            [buffer.phases[p] for r in rows for p in r.phase],
            np.concatenate([r.step for r in rows]).tolist(),
        )

    assert play(drains) == play(set())


def test_more_marks_than_a_buffer_holds_are_all_kept() -> None:
    buffer = MarkBuffer(ticking())
    for _ in buffer.steps(range(50_000), "train"):
        pass
    rows = buffer.drain()
    assert rows.step.max() == 49_999
    assert np.all(np.diff(rows.start_ns) > 0)


def test_a_forked_child_keeps_no_marks_in_memory() -> None:
    buffer = MarkBuffer(ticking())
    child = os.fork() if hasattr(os, "fork") else -1
    if child == 0:
        for _ in buffer.steps(range(100_000), "train"):
            pass
        os._exit(0 if not buffer._spilled else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
