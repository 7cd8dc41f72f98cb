"""The sampler with a virtual clock and scripted sensors: rows, schedules, and whatever a sensor throws."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from energyprof.errors import SensorError, SensorLost
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Provenance, SensorInfo
from energyprof.recording.sample_rows import SampleRows
from energyprof.recording.sampler import Sampler
from energyprof.sensors.base import ChannelSpec, Reading
from energyprof.testing.clock import VirtualClock

MS = 1_000_000
SECOND = 1_000 * MS
CALL = 50_000


@dataclass
class ScriptedSensor:
    """A sensor whose values are functions of the time at which it is read."""

    clock: VirtualClock
    values: dict[str, Callable[[int], float | Reading]]
    name: str = "scripted"
    kinds: dict[str, ChannelKind] = field(default_factory=dict)
    refresh_ns: int = 100 * MS
    edges: bool = True
    fails: Callable[[int], BaseException | None] = lambda _: None
    call_ns: Callable[[int], int] = lambda _: CALL
    read_at: list[int] = field(default_factory=list)

    @property
    def info(self) -> SensorInfo:
        return SensorInfo(
            name=self.name, source=Provenance.COUNTER, semantics="a test's sensor", refresh_s=0.1
        )

    @property
    def channels(self) -> tuple[ChannelSpec, ...]:
        return tuple(
            ChannelSpec(name=name, domain="x", kind=self.kinds.get(name, ChannelKind.ENERGY), unit="J")
            for name in self.values
        )

    def read(self) -> Sequence[Reading]:
        now = self.clock.now_ns()
        self.read_at.append(now)
        self.clock.advance_ns(self.call_ns(len(self.read_at)))
        error = self.fails(now)
        if error is not None:
            raise error
        values = [(name, value(now)) for name, value in self.values.items()]
        return [value if isinstance(value, Reading) else Reading(name, value) for name, value in values]

    def close(self) -> None:
        pass


def counter(clock: VirtualClock, period_ns: int = 100 * MS, phase_ns: int = 37 * MS) -> ScriptedSensor:
    """A counter that moves by 1 J each period."""
    return ScriptedSensor(clock, {"x/energy": lambda now: float((now - phase_ns) // period_ns)})


def run(sampler: Sampler, clock: VirtualClock, until_ns: int) -> None:
    while sampler.next_due_ns() <= until_ns:
        clock.sleep_until_ns(sampler.next_due_ns())
        sampler.poll()
    clock.sleep_until_ns(until_ns)


def of(rows: SampleRows, name: str) -> SampleRows:
    keep = rows.channel == rows.channels.index(name)
    return SampleRows(
        channels=rows.channels,
        channel=rows.channel[keep],
        since_ns=rows.since_ns[keep],
        t_ns=rows.t_ns[keep],
        value=rows.value[keep],
        gap=rows.gap[keep],
    )


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(100 * SECOND)


def sample(clock: VirtualClock, *sensors: ScriptedSensor, seconds: float) -> tuple[Sampler, SampleRows]:
    sampler = Sampler(sensors, clock, clock.now_ns())
    run(sampler, clock, clock.now_ns() + int(seconds * SECOND))
    sampler.finish()
    return sampler, sampler.drain()


# rows


def test_every_row_says_between_which_times_the_value_was_taken(clock: VirtualClock) -> None:
    origin = clock.now_ns()
    _, rows = sample(clock, counter(clock), seconds=20)
    edges = rows.value * 100 * MS + 37 * MS - origin
    assert len(rows) == 201
    assert (rows.since_ns <= edges).all()
    assert (edges <= rows.t_ns).all()
    assert (np.diff(rows.t_ns) > 0).all()
    assert np.median((rows.t_ns - rows.since_ns)[30:]) < 2 * MS


def test_the_first_value_may_be_older_than_the_recording(clock: VirtualClock) -> None:
    _, rows = sample(clock, counter(clock), seconds=1)
    assert rows.since_ns[0] == -125 * MS


def test_a_value_that_holds_is_written_at_least_once_a_second(clock: VirtualClock) -> None:
    steady = ScriptedSensor(clock, {"x/power": lambda _: 70.0}, kinds={"x/power": ChannelKind.POWER_INSTANT})
    _, rows = sample(clock, steady, seconds=30)
    assert (np.diff(rows.t_ns) <= SECOND).all()
    assert len(rows) < 50
    assert set(rows.value) == {70.0}


def test_a_channel_keeps_its_own_edges_while_the_counters_are_followed(clock: VirtualClock) -> None:
    both = counter(clock)
    both.values["x/power"] = lambda now: float((now - 80 * MS) // (100 * MS) % 7)
    both.kinds["x/power"] = ChannelKind.POWER_INSTANT
    _, rows = sample(clock, both, seconds=20)
    energy, power = of(rows, "x/energy"), of(rows, "x/power")
    assert np.median((energy.t_ns - energy.since_ns)[30:]) < 2 * MS
    assert len(power) == pytest.approx(200, abs=3)
    assert ((power.t_ns - power.since_ns) <= 126 * MS).all()


def test_a_continuous_sensor_is_read_ten_times_a_second_and_its_value_is_of_now(clock: VirtualClock) -> None:
    model = ScriptedSensor(
        clock, {"cpu/energy": lambda now: now / SECOND * 8.0}, refresh_ns=10 * MS, edges=False
    )
    _, rows = sample(clock, model, seconds=10)
    assert len(rows) == pytest.approx(101, abs=2)
    assert ((rows.t_ns - rows.since_ns) <= 10 * MS + CALL).all()


def test_stamps_that_prove_to_be_refreshes_bring_steady_power_to_its_refreshes(clock: VirtualClock) -> None:
    def steady(now: int) -> Reading:
        edge = (now - 37 * MS) // (100 * MS) * 100 * MS + 37 * MS
        return Reading("x/power", 70.0, clock.wall_ns() - clock.now_ns() + edge)

    sensor = ScriptedSensor(clock, {"x/power": steady}, kinds={"x/power": ChannelKind.POWER_INSTANT})
    sampler, rows = sample(clock, sensor, seconds=20)
    assert len(rows) > 150
    assert sampler.statistics["scripted"].refresh_s == pytest.approx(0.1, rel=1e-3)


def test_a_log_gives_its_values_at_their_own_times(clock: VirtualClock) -> None:
    @dataclass
    class Logging(ScriptedSensor):
        seen: int = 0

        def read(self) -> Sequence[Reading]:
            now = self.clock.now_ns()
            first, self.seen = max(self.seen, now // (20 * MS) - 5), now // (20 * MS)
            wall = self.clock.wall_ns() - now
            return [
                Reading("x/power", float(k % 11), wall + k * 20 * MS, logged=True)
                for k in range(first + 1, self.seen + 1)
            ]

    sensor = Logging(
        clock,
        {"x/power": lambda _: 0.0},
        kinds={"x/power": ChannelKind.POWER_INSTANT},
        refresh_ns=20 * MS,
        edges=False,
    )
    origin = clock.now_ns()
    _, rows = sample(clock, sensor, seconds=10)
    assert len(rows) == pytest.approx(500, abs=6)
    assert not rows.gap.any()
    middle = (rows.t_ns + rows.since_ns) // 2 + origin
    assert np.abs((middle + 10 * MS) % (20 * MS) - 10 * MS).max() <= MS
    assert (np.diff(rows.t_ns) > 0).all()


# what goes wrong


@pytest.mark.parametrize("error", [RuntimeError("odd"), ValueError(), SensorError("flaky"), MemoryError()])
def test_whatever_a_sensor_throws_never_leaves_the_sampler(clock: VirtualClock, error: Exception) -> None:
    sensor = counter(clock)
    sensor.fails = lambda now: error if 105 * SECOND <= now < 108 * SECOND else None
    sampler, rows = sample(clock, sensor, seconds=20)
    assert rows.value[-1] - rows.value[0] == 200
    (problem,) = sampler.problems
    assert problem.reason == (str(error) or type(error).__name__)
    assert 5 * SECOND <= problem.first_ns <= problem.last_ns <= 8 * SECOND
    assert problem.count == sampler.statistics["scripted"].failures


def test_a_counter_that_could_not_be_read_for_a_while_has_lost_nothing(clock: VirtualClock) -> None:
    sensor = counter(clock)
    sensor.fails = lambda now: SensorError("away") if 105 * SECOND <= now < 108 * SECOND else None
    _, rows = sample(clock, sensor, seconds=20)
    assert not rows.gap.any()
    after = int(np.argmax(rows.t_ns > 8 * SECOND))
    assert rows.t_ns[after] - rows.since_ns[after] <= 125 * MS + CALL


def test_power_that_could_not_be_read_is_a_gap_told_once_a_second(clock: VirtualClock) -> None:
    sensor = ScriptedSensor(
        clock,
        {"x/power": lambda now: float(now // (100 * MS) % 9)},
        kinds={"x/power": ChannelKind.POWER_INSTANT},
    )
    sensor.fails = lambda now: SensorError("away") if 105 * SECOND <= now < 110 * SECOND else None
    _, rows = sample(clock, sensor, seconds=20)
    gaps = rows.gap
    assert 3 <= gaps.sum() <= 7
    assert np.isnan(rows.value[gaps]).all()
    covered = rows.t_ns[gaps].max() - rows.since_ns[gaps].min()
    assert 5 * SECOND <= covered <= 6.2 * SECOND
    assert (rows.since_ns[gaps][1:] == rows.t_ns[gaps][:-1]).all()


def test_one_failed_poll_is_no_gap(clock: VirtualClock) -> None:
    sensor = counter(clock)
    sensor.kinds["x/energy"] = ChannelKind.POWER_INSTANT
    failed: list[int] = []

    def once(now: int) -> Exception | None:
        if now > 105 * SECOND and not failed:
            failed.append(now)
            return SensorError("flaky")
        return None

    sensor.fails = once
    _, rows = sample(clock, sensor, seconds=10)
    assert failed
    assert not rows.gap.any()


def test_a_sensor_that_is_lost_is_not_read_any_more_and_leaves_a_gap_to_the_end(clock: VirtualClock) -> None:
    sensor = counter(clock)
    sensor.fails = lambda now: SensorLost("fell off the bus") if now >= 105 * SECOND else None
    sampler, rows = sample(clock, sensor, seconds=20)
    assert sum(at >= 105 * SECOND for at in sensor.read_at) == 1
    assert sampler.statistics["scripted"].lost
    assert rows.gap[-1]
    assert rows.t_ns[-1] == 20 * SECOND
    assert rows.since_ns[-1] <= 5 * SECOND
    assert "it is not read any more" in sampler.problems[0].reason


def test_a_sampler_without_any_sensor_left_has_nothing_due(clock: VirtualClock) -> None:
    sensor = counter(clock)
    sensor.fails = lambda _: SensorLost("gone")
    sampler = Sampler([sensor], clock, clock.now_ns())
    sampler.poll()
    assert sampler.next_due_ns() > clock.now_ns()
    assert Sampler([], clock, 0).next_due_ns() > clock.now_ns()


def test_a_gap_of_a_counter_begins_where_it_last_moved(clock: VirtualClock) -> None:
    def resetting(now: int) -> Reading:
        value = float((now - 37 * MS) // (100 * MS))
        gap = 105 * SECOND + 60 * MS <= now < 105 * SECOND + 137 * MS
        return Reading("x/energy", value, gap=gap, reason="the counter was reset" if gap else None)

    sampler, rows = sample(clock, ScriptedSensor(clock, {"x/energy": resetting}), seconds=10)
    (row,) = np.flatnonzero(rows.gap)[:1]
    assert rows.since_ns[row] == rows.t_ns[row - 1]
    assert sampler.problems[0].reason == "the counter was reset"


def test_one_channel_may_fail_alone(clock: VirtualClock) -> None:
    sensor = counter(clock)
    sensor.values["x/power"] = lambda now: (
        Reading("x/power", math.nan, reason="not now") if now > 105 * SECOND else 70.0
    )
    sensor.kinds["x/power"] = ChannelKind.POWER_INSTANT
    sampler, rows = sample(clock, sensor, seconds=10)
    assert of(rows, "x/energy").value[-1] - of(rows, "x/energy").value[0] == 100
    assert of(rows, "x/power").gap.any()
    assert sampler.problems[0].reason == "not now"
    assert sampler.statistics["scripted"].failures == 0


def test_a_sensor_that_never_fails_twice_alike_fills_no_memory(clock: VirtualClock) -> None:
    sensor = ScriptedSensor(clock, {"m": lambda _: 0.0}, edges=False)
    sensor.fails = lambda now: SensorError(f"failed at {now}")
    sampler, _ = sample(clock, sensor, seconds=300)
    assert len(sampler.problems) <= 101
    assert sum(problem.count for problem in sampler.problems) == sampler.statistics["scripted"].failures


def test_an_error_that_cannot_say_what_it_is_is_named_by_its_kind(clock: VirtualClock) -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    sensor = counter(clock)
    sensor.fails = lambda _: MuteError()
    sampler, _ = sample(clock, sensor, seconds=2)
    assert sampler.problems[0].reason == "MuteError"


def test_stamps_are_used_also_where_the_first_channel_fails(clock: VirtualClock) -> None:
    def stamped(now: int) -> Reading:
        edge = (now - 37 * MS) // (100 * MS) * 100 * MS + 37 * MS
        return Reading("x/power", float(edge % 7), clock.wall_ns() - clock.now_ns() + edge)

    sensor = ScriptedSensor(
        clock,
        {"x/energy": lambda _: Reading("x/energy", math.nan, reason="not now"), "x/power": stamped},
        kinds={"x/power": ChannelKind.POWER_INSTANT},
    )
    _, rows = sample(clock, sensor, seconds=20)
    power = of(rows, "x/power")
    assert len(power) >= 190
    assert ((power.t_ns - power.since_ns)[60:] <= 2 * MS).all()


def test_a_slow_call_puts_no_burst_into_the_schedule_of_others(clock: VirtualClock) -> None:
    slow = counter(clock)
    slow.call_ns = lambda n: 450 * MS if n % 20 == 0 else CALL
    even = ScriptedSensor(clock, {"m": lambda now: float(now)}, name="even", edges=False)
    sampler, _ = sample(clock, slow, even, seconds=60)
    assert min(np.diff(even.read_at)[:-1]) >= 49 * MS
    assert len(even.read_at) <= 601
    assert any("took more than 20 ms" in problem.reason for problem in sampler.problems)


def test_after_a_stall_the_edges_are_found_again_and_nothing_is_lost(clock: VirtualClock) -> None:
    sensor = counter(clock)
    sampler = Sampler([sensor], clock, clock.now_ns())
    run(sampler, clock, 105 * SECOND)
    clock.advance_ns(3 * SECOND)  # the process was stopped
    run(sampler, clock, 120 * SECOND)
    rows = sampler.drain()
    assert rows.value[-1] - rows.value[0] == 200
    assert np.median((rows.t_ns - rows.since_ns)[-50:]) < 2 * MS


# the rest of the interface


def test_latest_holds_the_newest_good_value_of_each_channel(clock: VirtualClock) -> None:
    sampler, rows = sample(clock, counter(clock), seconds=3)
    latest = sampler.latest()
    assert {name: value for name, (value, _) in latest.items()} == {"x/energy": rows.value[-1]}
    assert latest["x/energy"][1] == pytest.approx(clock.now_ns(), abs=2 * SECOND)
    latest["x/energy"] = (-1.0, 0)
    assert sampler.latest()["x/energy"][0] == rows.value[-1]


def test_what_was_seen_of_a_sensor_stands_in_its_description(clock: VirtualClock) -> None:
    sampler, _ = sample(clock, counter(clock, period_ns=95 * MS), seconds=10)
    (info,) = sampler.sensor_infos()
    assert info.refresh_s == pytest.approx(0.095, rel=1e-3)
    assert info.readings == sampler.statistics["scripted"].readings > 200
    assert info.failures == 0


def test_finish_reads_everything_once_more_and_only_once(clock: VirtualClock) -> None:
    sensor = counter(clock)
    sampler = Sampler([sensor], clock, clock.now_ns())
    sampler.poll()
    reads = len(sensor.read_at)
    sampler.finish()
    sampler.finish()
    assert len(sensor.read_at) == reads + 1


def test_channels_of_all_sensors_are_numbered_through(clock: VirtualClock) -> None:
    first, second = counter(clock), ScriptedSensor(clock, {"a": lambda _: 1.0, "b": lambda _: 2.0}, name="s")
    sampler, rows = sample(clock, first, second, seconds=1)
    assert rows.channels == ("x/energy", "a", "b")
    assert tuple(spec.name for spec in sampler.channels) == rows.channels
    assert set(of(rows, "b").value) == {2.0}


# reading now and understanding later


@dataclass
class DeferringCounter(ScriptedSensor):
    """A counter that moves by 1 J each 100 ms; what it is asked to understand is noted."""

    decoded_at: list[int] = field(default_factory=list)
    phase_ns: Callable[[int], int] = lambda _: 37 * MS

    def __post_init__(self) -> None:
        self.values = {"x/energy": lambda now: float((now - self.phase_ns(now)) // (100 * MS))}

    def capture(self) -> tuple[object, object]:
        readings = self.read()
        return readings[0].value, readings

    def decode(self, raw: Sequence[Reading], at_ns: int) -> Sequence[Reading]:
        self.decoded_at.append(self.clock.now_ns())
        return raw


def deferring(clock: VirtualClock) -> DeferringCounter:
    return DeferringCounter(clock, {})


def test_readings_that_go_as_planned_are_understood_together(clock: VirtualClock) -> None:
    sensor = deferring(clock)
    _, rows = sample(clock, sensor, seconds=60)
    assert len(sensor.decoded_at) == len(sensor.read_at)
    late = np.array(sensor.decoded_at[400:-1]) - np.array(sensor.read_at[400:-1])
    assert (late > CALL).mean() > 0.8
    assert late.max() <= 1.6 * SECOND
    edges = rows.value * 100 * MS + 37 * MS - 100 * SECOND
    assert ((rows.since_ns <= edges) & (edges <= rows.t_ns)).all()
    assert rows.value[-1] - rows.value[0] == len(rows) - 1 == 600


def test_they_are_read_when_they_would_be_if_each_was_understood_at_once(clock: VirtualClock) -> None:
    later, (_, eager_rows) = VirtualClock(100 * SECOND), sample(clock, counter(clock), seconds=60)
    sensor = deferring(later)
    _, rows = sample(later, sensor, seconds=60)
    assert rows.value.tolist() == eager_rows.value.tolist()
    apart_ns = np.abs(rows.t_ns - eager_rows.t_ns)
    assert np.median(apart_ns) < MS / 2
    assert apart_ns.max() < 2 * MS


def test_what_is_not_as_planned_is_understood_at_once(clock: VirtualClock) -> None:
    sensor = deferring(clock)
    sensor.phase_ns = lambda now: 37 * MS if now < 130 * SECOND else 62 * MS
    _, rows = sample(clock, sensor, seconds=60)
    first = next(k for k, at in enumerate(sensor.read_at) if at > 130 * SECOND + 50 * MS)
    assert any(
        decoded - read <= 2 * CALL
        for read, decoded in zip(sensor.read_at[first : first + 4], sensor.decoded_at[first:], strict=False)
    )
    assert rows.value[-1] - rows.value[0] == len(rows) - 1
    assert np.median((rows.t_ns - rows.since_ns)[-100:]) < 2 * MS


def test_a_failure_among_planned_readings_is_told_and_tried_again_at_once(clock: VirtualClock) -> None:
    sensor = deferring(clock)
    sensor.fails = lambda now: SensorError("flaky") if 130 * SECOND <= now < 130 * SECOND + 90 * MS else None
    sampler, rows = sample(clock, sensor, seconds=60)
    (problem,) = sampler.problems
    assert problem.reason == "flaky"
    assert problem.count >= 3
    assert rows.value[-1] - rows.value[0] == 600


def test_drained_rows_hold_all_that_was_read(clock: VirtualClock) -> None:
    sensor = deferring(clock)
    sampler = Sampler([sensor], clock, clock.now_ns())
    run(sampler, clock, 150 * SECOND)
    rows = sampler.drain()
    assert len(sensor.decoded_at) == len(sensor.read_at)
    assert rows.t_ns[-1] >= 49_900 * MS
    assert sampler.latest()["x/energy"][0] == rows.value[-1]


def test_while_all_goes_as_planned_the_sampler_sleeps_and_reads_by_itself(clock: VirtualClock) -> None:
    sensor = deferring(clock)
    sampler = Sampler([sensor], clock, clock.now_ns())
    run(sampler, clock, 130 * SECOND)
    sampler.drain()
    wake = threading.Lock()
    wake.acquire()
    before, due_ns = len(sensor.read_at), sampler.next_due_ns()
    assert not sampler.rest(clock.wait_until_ns, wake, due_ns, clock.now_ns() + SECOND)
    assert len(sensor.read_at) - before >= 10
    wake.release()
    assert sampler.rest(clock.wait_until_ns, wake, sampler.poll(), clock.now_ns() + SECOND)


@pytest.mark.parametrize("lost_at_ms", [*range(30_000, 30_100, 9), 3_600_000])
def test_it_sleeps_until_something_is_due_also_where_a_sensor_is_lost_in_its_plan(
    clock: VirtualClock, lost_at_ms: int
) -> None:
    gpu, begin_ns = deferring(clock), clock.now_ns()
    gpu.fails = lambda now: SensorLost("gone") if now >= begin_ns + lost_at_ms * MS else None
    model = ScriptedSensor(clock, {"cpu/energy": lambda now: now / SECOND * 8.0}, name="cpu", edges=False)
    sampler, wake = Sampler([gpu, model], clock, begin_ns), threading.Lock()
    wake.acquire()
    for _ in range(2_000):
        due_ns, before_ns = sampler.poll(), clock.now_ns()
        assert not sampler.rest(clock.wait_until_ns, wake, due_ns, before_ns + SECOND)
        assert clock.now_ns() > before_ns
    assert clock.now_ns() > begin_ns + 40 * SECOND
    assert model.read_at[-1] > clock.now_ns() - SECOND


def test_counters_without_edges_are_read_where_a_window_opens(clock: VirtualClock) -> None:
    model = ScriptedSensor(clock, {"cpu/energy": lambda now: now / SECOND * 8.0}, edges=False)
    state = ScriptedSensor(
        clock, {"m": lambda _: 1.0}, name="m", edges=False, kinds={"m": ChannelKind.MEMORY}
    )
    sampler = Sampler([model, state], clock, clock.now_ns())
    run(sampler, clock, 101 * SECOND + 30 * MS)
    sampler.read_energy()
    assert model.read_at[-1] == 101 * SECOND + 30 * MS
    assert state.read_at[-1] < 101 * SECOND + 30 * MS
