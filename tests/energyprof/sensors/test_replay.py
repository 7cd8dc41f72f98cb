"""A recording read again gives what was recorded, at the times at which it was."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from energyprof.errors import SensorError, SensorLost
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Provenance, SensorInfo
from energyprof.record.trace import Channel, Metrics, Segments, Trace
from energyprof.recording.sampler import Sampler
from energyprof.sensors.replay import replay
from energyprof.testing.clock import VirtualClock
from energyprof.testing.nvml import StandInNvml

MakeNvml = Callable[..., StandInNvml]
SECOND = 10**9
MS = 10**6
INFO = SensorInfo(
    name="nvml:gpu:0", domains=("gpu:0",), source=Provenance.COUNTER, semantics="A card.", refresh_s=0.1
)


def channel(kind: ChannelKind, values: np.ndarray, gaps: list[tuple[int, int]] | None = None) -> Channel:
    edges = np.arange(len(values), dtype=np.int64) * 100 * MS + 50 * MS
    return Channel(
        name=f"gpu:0/{kind}",
        domain="gpu:0",
        kind=kind,
        sensor="nvml:gpu:0",
        unit="J" if kind is ChannelKind.ENERGY else "W",
        since_ns=edges - MS,
        t_ns=edges + MS,
        value=values.astype(float),
        gap_ns=np.array(gaps or [], np.int64).reshape(-1, 2),
    )


def trace_of(*channels: Channel, seconds: float = 20) -> Trace:
    empty = np.empty(0, np.int64)
    return Trace(
        segments=Segments(start_ns=empty, phase=empty.astype(np.int32), step=empty, phases=(), end_ns=0),
        channels=channels,
        metrics=Metrics(t_ns=empty, step=empty, name=(), value=np.empty(0)),
        window_ns=(0, int(seconds * SECOND)),
        duration_ns=int(seconds * SECOND),
    )


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(77 * SECOND)


def test_sampling_a_replay_gives_the_recording_back(clock: VirtualClock) -> None:
    energy = channel(ChannelKind.ENERGY, np.cumsum(np.linspace(5, 30, 200)))
    (sensor,) = replay(trace_of(energy), [INFO], clock)
    sampler = Sampler([sensor], clock, clock.now_ns())
    while sampler.next_due_ns() < 97 * SECOND:
        clock.sleep_until_ns(sampler.next_due_ns())
        sampler.poll()
    rows = sampler.drain()
    assert rows.value.tolist() == energy.value.tolist()
    middle = (energy.since_ns + energy.t_ns) // 2
    assert (rows.since_ns <= middle).all()
    assert (middle <= rows.t_ns).all()
    assert np.median((rows.t_ns - rows.since_ns)[30:]) < 2 * MS


def test_two_replays_are_the_same(clock: VirtualClock) -> None:
    trace = trace_of(channel(ChannelKind.POWER_INSTANT, np.arange(200)))
    seen = []
    for _ in range(2):
        begin = VirtualClock(5 * SECOND)
        (sensor,) = replay(trace, [INFO], begin)
        values = []
        for _ in range(300):
            begin.advance_ns(37 * MS)
            values.append([reading.value for reading in sensor.read()])
        seen.append(values)
    assert seen[0] == seen[1]


def test_before_its_first_row_a_channel_says_nothing(clock: VirtualClock) -> None:
    (sensor,) = replay(trace_of(channel(ChannelKind.ENERGY, np.arange(5))), [INFO], clock)
    assert sensor.read() == []


def test_a_gap_fails_and_the_counter_says_afterwards_that_it_was_broken(clock: VirtualClock) -> None:
    energy = channel(ChannelKind.ENERGY, np.arange(200), [(5 * SECOND, 7 * SECOND)])
    (sensor,) = replay(trace_of(energy), [INFO], clock)
    clock.advance_ns(6 * SECOND)
    with pytest.raises(SensorError, match="gap"):
        sensor.read()
    clock.advance_ns(2 * SECOND)
    assert [reading.gap for reading in sensor.read()] == [True]
    assert [reading.gap for reading in sensor.read()] == [False]


def test_after_its_end_the_sensor_is_lost(clock: VirtualClock) -> None:
    (sensor,) = replay(trace_of(channel(ChannelKind.ENERGY, np.arange(5)), seconds=1), [INFO], clock)
    clock.advance_ns(2 * SECOND)
    with pytest.raises(SensorLost, match="over"):
        sensor.read()
    sensor.close()


def test_the_description_says_that_it_is_a_replay_and_keeps_the_rest(clock: VirtualClock) -> None:
    (sensor,) = replay(trace_of(channel(ChannelKind.ENERGY, np.arange(5))), [INFO], clock)
    assert sensor.info.semantics == "Replayed from a recording. A card."
    assert sensor.info.name == INFO.name
    assert sensor.edges
    assert sensor.refresh_ns == 100 * MS


def test_a_sensor_without_channels_is_left_out_and_a_model_is_read_evenly(clock: VirtualClock) -> None:
    silent = SensorInfo(name="silent", source=Provenance.MISSING, semantics="")
    model = SensorInfo(name="nvml:gpu:0", source=Provenance.ESTIMATED, semantics="", refresh_s=0.1)
    (sensor,) = replay(trace_of(channel(ChannelKind.ENERGY, np.arange(5))), [silent, model], clock)
    assert not sensor.edges
