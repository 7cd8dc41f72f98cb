"""A run that is killed at any moment reads back with all but its last second."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from energyprof.record.store import read_trace
from energyprof.record.trace import Trace
from energyprof.recording.recorder import Recorder
from energyprof.recording.sampler import Sampler
from energyprof.testing.clock import VirtualClock
from tests.energyprof.recording.conftest import SteadySensor

SECOND = 1_000_000_000


class Recording:
    """A recorder that steps through virtual time; its folder is copied where it would have been killed."""

    def __init__(self, folder: Path) -> None:
        self.clock = VirtualClock(100 * SECOND)
        sampler = Sampler([SteadySensor()], self.clock, self.clock.now_ns())
        self.recorder = Recorder(folder / "runs", "run", sampler, self.clock)
        self._copies = folder / "copies"
        self.steps = 0
        self.recorder.flush()
        self.recorder.open_window()

    def seconds(self, count: int) -> None:
        for _ in range(count):
            for _ in self.recorder.marks.steps(range(10), "train"):
                self.clock.advance_ns(SECOND // 20)
                with self.recorder.marks.phase("forward"):
                    self.clock.advance_ns(SECOND // 20)
            self.steps += 10
            self.recorder.log({"loss": self.steps * 1.0, "odd": float("nan")})
            self.recorder.sampler.poll()
            self.recorder.flush()

    def killed(self) -> Trace:
        copy = self._copies / str(self.steps)
        shutil.copytree(self.recorder.folder.path, copy)
        return read_trace(copy)


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return Recording(tmp_path)


def assert_begins(part: Trace, whole: Trace) -> None:
    """Assert that all of a trace is the beginning of another."""
    assert part.segments.phases == whole.segments.phases[: len(part.segments.phases)]
    for name in ("start_ns", "phase", "step"):
        rows = getattr(part.segments, name)
        np.testing.assert_array_equal(rows, getattr(whole.segments, name)[: rows.size])
    for mine, its in zip(part.channels, whole.channels, strict=True):
        np.testing.assert_array_equal(mine.value, its.value[: mine.value.size])
        np.testing.assert_array_equal(mine.t_ns, its.t_ns[: mine.t_ns.size])
    assert part.metrics.name == whole.metrics.name[: len(part.metrics.name)]
    np.testing.assert_array_equal(part.metrics.value, whole.metrics.value[: part.metrics.value.size])


@pytest.mark.parametrize("seconds", [1, 7, 19, 20, 21, 45])
def test_a_killed_run_has_all_that_was_flushed(recording: Recording, seconds: int) -> None:
    recording.seconds(seconds)
    killed = recording.killed()
    assert not killed.complete
    assert killed.segments.step.max() == recording.steps - 1
    assert killed.metrics.name.count("loss") == seconds
    assert killed.window_ns[0] >= 0
    recording.seconds(3)
    recording.recorder.stop()
    assert_begins(killed, read_trace(recording.recorder.folder.path))


def test_a_finished_run_leaves_no_journal(recording: Recording) -> None:
    recording.seconds(3)
    folder = recording.recorder.folder.path
    assert (folder / "journal.bin").exists()
    recording.recorder.stop()
    assert not (folder / "journal.bin").exists()
    assert read_trace(folder).complete


def test_what_is_in_both_streams_and_journal_counts_once(recording: Recording, tmp_path: Path) -> None:
    """A process may be killed between writing the streams and beginning the journal anew."""
    recording.seconds(5)
    folder = recording.recorder.folder.path
    shutil.copy(folder / "journal.bin", tmp_path / "before")
    recording.recorder.stop()
    whole = read_trace(folder)
    shutil.copy(tmp_path / "before", folder / "journal.bin")
    again = read_trace(folder)
    assert_begins(again, whole)
    assert_begins(whole, again)


def test_where_the_journal_cannot_be_written_the_streams_are(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording.recorder.folder.journal, "write", lambda: False)
    recording.seconds(3)
    assert recording.killed().segments.step.max() == recording.steps - 1


def test_a_wait_that_goes_on_while_the_streams_are_written_is_not_lost(recording: Recording) -> None:
    buffer = recording.recorder.marks
    for k, _ in enumerate(buffer.steps(range(60), "train")):
        recording.clock.advance_ns(SECOND)
        if k % 2:
            buffer.mark(0)
        recording.recorder.flush()
        recording.steps += 1
        if k in (18, 19, 20, 21, 40, 41):
            killed = recording.killed()
            assert (np.diff(killed.segments.start_ns) >= 0).all()
            assert set(range(recording.steps - 1)) <= set(killed.segments.step.tolist())
