from __future__ import annotations

from pathlib import Path

import pytest

from energyprof.errors import SensorError
from energyprof.recording.recorder import Recorder
from energyprof.recording.sampler import Sampler
from energyprof.testing.clock import VirtualClock
from tests.energyprof.recording.conftest import SteadySensor

SECOND = 1_000_000_000
OPENED_S = 3  # after the recording began


def told(tmp_path: Path, *failing_s: int) -> str:
    """Return what is said of a sensor that failed at some seconds of a recording."""
    clock = VirtualClock()
    began_ns = clock.now_ns()

    def fails(_: int) -> SensorError | None:
        return SensorError("busy") if (clock.now_ns() - began_ns) // SECOND in failing_s else None

    sampler = Sampler([SteadySensor(fails=fails)], clock, began_ns)
    recorder = Recorder(tmp_path, "t", sampler, clock)
    for second in range(8):
        clock.sleep_until_ns(began_ns + second * SECOND)
        if second == OPENED_S:
            recorder.open_window()
        recorder.sampler.poll()
    recorder.folder.close()
    (problem,) = recorder.problems
    return problem


@pytest.mark.parametrize(
    ("failing_s", "when"),
    [
        ((5,), "(2.0 s after the window opened)"),
        ((3,), "(0.0 s after the window opened)"),
        ((2,), "(1.0 s before the window opened)"),
        ((4, 6), "(2 times, 1.0 to 3.0 s after the window opened)"),
        ((1, 2), "(2 times, 2.0 to 1.0 s before the window opened)"),
        ((1, 5), "(2 times, from 2.0 s before to 2.0 s after the window opened)"),
    ],
)
def test_problems_count_from_the_windows_start_as_charts_do(
    tmp_path: Path, failing_s: tuple[int, ...], when: str
) -> None:
    assert told(tmp_path, *failing_s) == f"steady: busy {when}"
