"""Energy and power of stand-in cards through the real pynvml: every architecture, every fault."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pynvml
import pytest

from energyprof.errors import SensorError, SensorLost, SensorUnavailable
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Provenance
from energyprof.recording.sample_rows import SampleRows
from energyprof.recording.sampler import Sampler
from energyprof.sensors.nvml import NvmlSensor
from energyprof.sensors.nvml_device import list_devices
from energyprof.sensors.nvml_history import PowerHistory
from energyprof.sensors.nvml_library import NvmlLibrary
from energyprof.testing.cards import CARDS, Card
from energyprof.testing.faults import Fault, FaultKind, NvmlCode
from energyprof.testing.nvml import StandInNvml
from energyprof.testing.true_power import TruePower

MakeNvml = Callable[..., StandInNvml]
MS = 1_000_000
SECOND = 1_000 * MS
CALL = 50_000


def sensor_of(nvml: StandInNvml) -> NvmlSensor:
    library = NvmlLibrary.open()
    try:
        return NvmlSensor(library, list_devices(library)[0], "gpu:0", nvml.clock)
    finally:
        library.close()


def square_wave(nvml: StandInNvml) -> None:
    now = nvml.clock.now_ns()
    nvml.set_power(0, TruePower.of([(0.035, 350), (0.015, 80)], start_ns=now, repeat_from=0, before_w=80))


class Sampled:
    """A stand-in sampled for a while."""

    def __init__(self, nvml: StandInNvml, seconds: float = 30) -> None:
        self.nvml, self.sensor = nvml, sensor_of(nvml)
        self.origin = nvml.clock.now_ns()
        self.sampler = Sampler([self.sensor], nvml.clock, self.origin)
        end = self.origin + int(seconds * SECOND)
        settled, calls = self.origin + 5 * SECOND, 0
        while self.sampler.next_due_ns() < end:
            nvml.clock.sleep_until_ns(self.sampler.next_due_ns())
            self.sampler.poll()
            if nvml.clock.now_ns() < settled:
                calls = nvml.calls()
        self.calls_per_second = (nvml.calls() - calls) / (seconds - 5)
        self.sampler.finish()
        self.rows = self.sampler.drain()
        self.sensor.close()

    def channel(self, kind: ChannelKind) -> SampleRows:
        name = next(spec.name for spec in self.sampler.channels if spec.kind is kind)
        keep = (self.rows.channel == self.rows.channels.index(name)) & (self.rows.t_ns > 2 * SECOND)
        return SampleRows(
            channels=self.rows.channels,
            channel=self.rows.channel[keep],
            since_ns=self.rows.since_ns[keep],
            t_ns=self.rows.t_ns[keep],
            value=self.rows.value[keep],
            gap=self.rows.gap[keep],
        )

    def energy_error(self) -> float:
        """Return the counter's relative error between its first and last good rows."""
        rows = self.channel(ChannelKind.ENERGY)
        good = np.flatnonzero(~np.isnan(rows.value))
        first, last = good[0], good[-1]
        at = (rows.since_ns + rows.t_ns) // 2 + self.origin
        truth = self.nvml.true_energy_j(0, int(at[first]), int(at[last]))
        return float((rows.value[last] - rows.value[first]) / truth - 1)

    @property
    def reasons(self) -> str:
        return " | ".join(problem.reason for problem in self.sampler.problems)


# every architecture


@pytest.mark.parametrize("card", [name for name, card in CARDS.items() if card.sensor.counter_ns])
def test_every_counter_gives_the_energy_with_edges_known_to_two_milliseconds(
    card: str, make_nvml: MakeNvml
) -> None:
    nvml = make_nvml(card, call_ns=CALL)
    square_wave(nvml)
    seen = Sampled(nvml)
    rows = seen.channel(ChannelKind.ENERGY)
    assert abs(seen.energy_error()) < 1e-4
    assert np.percentile(rows.t_ns - rows.since_ns, 95) <= 2 * MS
    assert not rows.gap.any()
    assert not seen.sampler.problems
    period = seen.sampler.statistics["nvml:gpu:0"].refresh_s
    assert period == pytest.approx(CARDS[card].sensor.counter_ns / 1e9, rel=1e-3)


@pytest.mark.parametrize("card", ["hopper", "a100", "ampere", "ada", "turing"])
@pytest.mark.parametrize("stamp_at_call", [False, True])
def test_a_100_ms_sensor_costs_at_most_25_calls_a_second(
    card: str, stamp_at_call: bool, make_nvml: MakeNvml
) -> None:
    nvml = make_nvml(CARDS[card].with_sensor(stamp_at_call=stamp_at_call), call_ns=CALL)
    square_wave(nvml)
    seen = Sampled(nvml)
    assert seen.calls_per_second <= 25
    assert abs(seen.energy_error()) < 1e-3


def test_without_believable_stamps_edges_are_still_known_to_two_milliseconds(make_nvml: MakeNvml) -> None:
    nvml = make_nvml(CARDS["hopper"].with_sensor(stamp_at_call=True), call_ns=CALL)
    square_wave(nvml)
    rows = Sampled(nvml).channel(ChannelKind.ENERGY)
    assert np.median(rows.t_ns - rows.since_ns) < 1.6 * MS


def test_every_edge_lies_in_its_row_also_where_power_and_counter_are_out_of_phase(
    make_nvml: MakeNvml,
) -> None:
    card = CARDS["hopper"].with_sensor(jitter_ns=MS, counter_phase_ns=30 * MS)
    nvml = make_nvml(card, call_ns=CALL)
    square_wave(nvml)
    seen = Sampled(nvml)
    for kind, phase in ((ChannelKind.ENERGY, 30 * MS), (ChannelKind.POWER_INSTANT, 0)):
        rows = seen.channel(kind)
        for since, until in ((rows.since_ns + seen.origin, rows.t_ns + seen.origin),):
            nearest = np.rint((until - phase) / (100 * MS)) * 100 * MS + phase
            assert (np.abs(nearest - (since + until) / 2) <= (until - since) / 2 + MS).all()
        assert np.median(rows.t_ns - rows.since_ns) <= 2 * MS


def test_a_card_without_a_counter_gives_every_refresh_from_its_log(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("pascal", call_ns=CALL)
    square_wave(nvml)
    seen = Sampled(nvml)
    rows = seen.channel(ChannelKind.POWER_INSTANT)
    assert not seen.sensor.edges
    assert len(rows) == pytest.approx(28 * 50, abs=15)
    assert seen.calls_per_second <= 25
    assert not rows.gap.any()


def test_a_card_without_a_counter_and_without_a_log_is_polled(make_nvml: MakeNvml) -> None:
    nvml = make_nvml(CARDS["pascal"].with_sensor(sample_ns=0), call_ns=CALL)
    square_wave(nvml)
    seen = Sampled(nvml)
    assert seen.sensor.edges
    assert seen.sensor.info.source is Provenance.SAMPLED
    assert len(seen.channel(ChannelKind.POWER_INSTANT)) > 28 * 10


def test_steady_power_needs_no_movement_of_its_own_to_be_followed(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper", call_ns=CALL)
    nvml.set_power(0, 250.0)
    seen = Sampled(nvml)
    assert abs(seen.energy_error()) < 1e-5
    power = seen.channel(ChannelKind.POWER_INSTANT)
    assert set(power.value) == {250.0}
    assert (np.diff(power.t_ns) <= SECOND).all()


# what a reading means


def test_the_meaning_of_readings_is_told_in_plain_words(make_nvml: MakeNvml) -> None:
    make = {name: sensor_of(make_nvml(name)) for name in ("hopper", "a100", "ada", "pascal")}
    text = {name: sensor.info.semantics for name, sensor in make.items()}
    assert "25% of the time" in text["hopper"]
    assert "last 1 s" in text["hopper"]
    assert "GA100" in text["a100"]
    assert "last 1 s" not in text["a100"]
    assert "all of the time" in text["ada"]
    assert "no energy counter" in text["pascal"]
    assert make["hopper"].info.source is Provenance.COUNTER
    assert make["hopper"].info.window_s == 0.025
    assert make["hopper"].info.power_ceiling_w == pytest.approx(1.2 * 700)
    assert make["hopper"].info.power_floor_w == 0.0


@pytest.mark.parametrize(
    ("card", "kind"),
    [
        ("hopper", ChannelKind.POWER_AVERAGE),
        ("ampere", ChannelKind.POWER_AVERAGE),
        ("a100", ChannelKind.POWER_INSTANT),
        ("turing", ChannelKind.POWER_INSTANT),
        ("volta", ChannelKind.POWER_INSTANT),
    ],
)
def test_without_field_values_power_usage_is_what_the_architecture_makes_of_it(
    card: str, kind: ChannelKind, make_nvml: MakeNvml
) -> None:
    nvml = make_nvml(CARDS[card].with_sensor(has_fields=False), call_ns=CALL)
    square_wave(nvml)
    seen = Sampled(nvml)
    kinds = {spec.kind for spec in seen.sensor.channels}
    assert kinds == {ChannelKind.ENERGY, kind}
    assert abs(seen.energy_error()) < 1e-4


def test_a_missing_function_is_done_without(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper", missing=["nvmlDeviceGetFieldValues"], call_ns=CALL)
    seen = Sampled(nvml, seconds=10)
    assert abs(seen.energy_error()) < 1e-4


def test_a_card_that_tells_neither_energy_nor_power_says_so(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper")
    for function in (
        "nvmlDeviceGetFieldValues",
        "nvmlDeviceGetPowerUsage",
        "nvmlDeviceGetTotalEnergyConsumption",
    ):
        nvml.fault(Fault(function=function, code=NvmlCode.NOT_SUPPORTED))
    with pytest.raises(SensorUnavailable, match="neither energy nor power"):
        sensor_of(nvml)


# every fault


def test_a_flaky_driver_loses_no_energy(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper", call_ns=CALL)
    square_wave(nvml)
    nvml.fault(Fault(probability=0.3, seed=1))
    seen = Sampled(nvml)
    assert abs(seen.energy_error()) < 1e-3
    assert not seen.channel(ChannelKind.ENERGY).gap.any()
    assert "unknown error" in seen.reasons


def test_slow_calls_lose_no_energy_and_are_told(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper", call_ns=CALL)
    square_wave(nvml)
    nvml.fault(
        Fault(
            kind=FaultKind.SLOW,
            function="nvmlDeviceGetFieldValues",
            delay_ns=50 * MS,
            probability=0.2,
            seed=2,
        )
    )
    seen = Sampled(nvml, seconds=60)
    assert abs(seen.energy_error()) < 2e-3
    assert "more than 20 ms" in seen.reasons


def test_a_reset_is_a_gap_from_where_the_counter_last_moved(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper", call_ns=CALL)
    square_wave(nvml)
    nvml.fault(Fault(kind=FaultKind.COUNTER_RESET, from_ns=nvml.clock.now_ns() + 10 * SECOND + 50 * MS))
    seen = Sampled(nvml)
    rows = seen.channel(ChannelKind.ENERGY)
    (row,) = np.flatnonzero(rows.gap)
    assert rows.t_ns[row] - rows.since_ns[row] <= 102 * MS
    assert rows.since_ns[row] < 10 * SECOND + 50 * MS < rows.t_ns[row]
    assert rows.since_ns[row] == rows.t_ns[row - 1]
    assert rows.since_ns[row + 1] == rows.t_ns[row]
    assert rows.t_ns[row + 1] - rows.since_ns[row + 1] <= 2 * MS
    assert (np.diff(rows.value[~np.isnan(rows.value)]) >= 0).all()
    assert "was reset" in seen.reasons


def test_a_frozen_counter_is_noticed_and_is_a_gap_until_it_moves(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper", call_ns=CALL)
    square_wave(nvml)
    start = nvml.clock.now_ns()
    nvml.fault(
        Fault(kind=FaultKind.COUNTER_FROZEN, from_ns=start + 10 * SECOND, until_ns=start + 20 * SECOND)
    )
    seen = Sampled(nvml)
    rows = seen.channel(ChannelKind.ENERGY)
    covered = sum(int(b - a) for a, b in zip(rows.since_ns[rows.gap], rows.t_ns[rows.gap], strict=True))
    assert 9.9 * SECOND <= covered <= 10.2 * SECOND
    assert "does not move" in seen.reasons
    assert "moves again" in seen.reasons
    assert len(seen.channel(ChannelKind.POWER_INSTANT)) > 270  # power goes on at each refresh


def test_a_lost_gpu_ends_its_reading_with_a_gap(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper", call_ns=CALL)
    nvml.fault(Fault(code=NvmlCode.GPU_IS_LOST, from_ns=nvml.clock.now_ns() + 10 * SECOND))
    seen = Sampled(nvml)
    assert seen.sampler.statistics["nvml:gpu:0"].lost
    assert seen.channel(ChannelKind.ENERGY).gap[-1]
    assert "fallen off the bus" in seen.reasons


def test_an_outage_of_the_driver_is_bridged_by_the_counter(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper", call_ns=CALL)
    square_wave(nvml)
    start = nvml.clock.now_ns()
    nvml.fault(Fault(code=NvmlCode.UNKNOWN, from_ns=start + 10 * SECOND, until_ns=start + 15 * SECOND))
    seen = Sampled(nvml)
    assert abs(seen.energy_error()) < 1e-4
    assert not seen.channel(ChannelKind.ENERGY).gap.any()
    assert seen.channel(ChannelKind.POWER_INSTANT).gap.any()


def test_after_a_driver_reload_the_device_is_found_again(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper", call_ns=CALL)
    start = nvml.clock.now_ns()
    nvml.fault(
        Fault(code=NvmlCode.DRIVER_NOT_LOADED, from_ns=start + 10 * SECOND, until_ns=start + 15 * SECOND)
    )
    nvml.fault(Fault(kind=FaultKind.COUNTER_RESET, from_ns=start + 15 * SECOND))
    seen = Sampled(nvml)
    assert nvml.calls("nvmlDeviceGetHandleByUUID") >= 1
    assert not seen.sampler.statistics["nvml:gpu:0"].lost
    rows = seen.channel(ChannelKind.ENERGY)
    assert rows.gap.sum() == 1
    assert rows.t_ns[-1] > 29 * SECOND


def test_a_driver_that_was_opened_anew_is_given_back_as_often(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper", call_ns=CALL)
    now = nvml.clock.now_ns()
    nvml.fault(
        Fault(
            function="nvmlDeviceGetFieldValues",
            code=NvmlCode.UNINITIALIZED,
            from_ns=now + 6 * SECOND,
            until_ns=now + 8 * SECOND,
        )
    )
    seen = Sampled(nvml, seconds=10)
    assert nvml.calls("nvmlInit") > 1
    assert not seen.sampler.statistics["nvml:gpu:0"].lost
    with pytest.raises(pynvml.NVMLError_Uninitialized):
        pynvml.nvmlDeviceGetCount()


def test_a_limit_of_nothing_is_no_limit(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper", call_ns=CALL)
    square_wave(nvml)
    nvml.device(0).power_limit_w = 0.0
    seen = Sampled(nvml, seconds=10)
    assert seen.sensor.info.power_ceiling_w is None
    assert not seen.channel(ChannelKind.ENERGY).gap.any()


class Log:
    """A driver's log of power, by a wall clock that may be set back."""

    def __init__(self) -> None:
        self.entries: list[SimpleNamespace] = []

    def add(self, stamp_s: float) -> None:
        value = SimpleNamespace(uiVal=100_000)
        self.entries.append(SimpleNamespace(timeStamp=int(stamp_s * 1e6), sampleValue=value))

    def call(
        self, function: str, handle: object, kind: int, seen_us: int
    ) -> tuple[int, list[SimpleNamespace]]:
        return 1, [entry for entry in self.entries if entry.timeStamp > seen_us]


def test_a_wall_clock_that_is_set_back_silences_no_log() -> None:
    log, now_s = Log(), [10_000.0]
    clock: Any = SimpleNamespace(wall_ns=lambda: int(now_s[0] * 1e9))
    library: Any = log
    history = PowerHistory(library, clock)

    def read_at(seconds: float) -> list[float]:
        now_s[0] = seconds
        log.add(seconds - 0.01)
        return [stamp_ns / 1e9 for stamp_ns, _ in history.read(None)]

    assert read_at(10_000.1) == [10_000.09]
    read_at(6_400.1)  # an hour back: what came before this reading is not told from what was read already
    assert read_at(6_400.2) == [6_400.19]
    assert read_at(6_400.3) == [6_400.29]


def test_broken_stamps_are_not_used(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper", call_ns=CALL)
    square_wave(nvml)
    nvml.fault(Fault(kind=FaultKind.BAD_STAMPS))
    seen = Sampled(nvml)
    assert abs(seen.energy_error()) < 1e-4
    assert seen.calls_per_second <= 25


@pytest.mark.parametrize("field", [83, 185, 186])
def test_a_field_that_is_not_supported_leaves_the_others(field: int, make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper", call_ns=CALL)
    square_wave(nvml)
    nvml.fault(Fault(function=f"field:{field}", code=NvmlCode.NOT_SUPPORTED))
    seen = Sampled(nvml, seconds=20)
    assert abs(seen.energy_error()) < 1e-4  # without field 83 by the function of its own
    assert (ChannelKind.POWER_AVERAGE in {spec.kind for spec in seen.sensor.channels}) == (field != 185)


def test_one_field_that_fails_later_on_is_told_and_the_others_go_on(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper", call_ns=CALL)
    square_wave(nvml)
    nvml.fault(Fault(function="field:186", from_ns=nvml.clock.now_ns() + 10 * SECOND))
    seen = Sampled(nvml)
    assert abs(seen.energy_error()) < 1e-4
    assert seen.channel(ChannelKind.POWER_INSTANT).gap.any()
    assert "NVML field 186" in seen.reasons
    assert seen.sampler.statistics["nvml:gpu:0"].failures == 0


@pytest.mark.parametrize(
    "code", [NvmlCode.NO_PERMISSION, NvmlCode.FUNCTION_NOT_FOUND, NvmlCode.NOT_SUPPORTED]
)
def test_fields_that_may_not_be_read_fall_back_to_their_functions(
    code: NvmlCode, make_nvml: MakeNvml
) -> None:
    nvml = make_nvml("hopper", call_ns=CALL)
    nvml.fault(Fault(function="nvmlDeviceGetFieldValues", code=code))
    assert abs(Sampled(nvml, seconds=20).energy_error()) < 1e-4


def test_a_flaky_start_does_not_hide_what_the_card_can_do(make_nvml: MakeNvml) -> None:
    for seed in range(10):
        nvml = make_nvml("hopper")
        nvml.fault(Fault(probability=0.15, seed=seed))
        try:
            sensor = sensor_of(nvml)
        except SensorError:
            continue  # the library itself could not be asked
        assert ChannelKind.ENERGY in {spec.kind for spec in sensor.channels}
        sensor.close()


# life and death


def test_a_closed_sensor_gives_the_library_back_once(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper")
    sensor = sensor_of(nvml)
    assert nvml.calls("nvmlShutdown") == 0
    sensor.close()
    sensor.close()
    assert nvml.calls("nvmlShutdown") == 1
    with pytest.raises(SensorError, match="closed"):
        sensor.read()


def test_a_gpu_that_is_lost_at_the_start_is_an_error_and_not_a_silence(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper")
    nvml.fault(Fault(function="nvmlDeviceGetFieldValues", code=NvmlCode.GPU_IS_LOST))
    with pytest.raises(SensorLost):
        sensor_of(nvml)


def test_a_reading_has_the_cards_units(make_nvml: MakeNvml) -> None:
    card: Card = CARDS["hopper"]
    nvml = make_nvml(card)
    nvml.set_power(0, 300.0)
    sensor = sensor_of(nvml)
    first = {reading.channel: reading.value for reading in sensor.read()}
    nvml.clock.sleep_until_ns(nvml.clock.now_ns() + 10 * SECOND)
    later = {reading.channel: reading.value for reading in sensor.read()}
    assert later["gpu:0/energy"] - first["gpu:0/energy"] == pytest.approx(3000, rel=1e-3)
    assert later["gpu:0/power"] == pytest.approx(300)
    assert later["gpu:0/power_average"] == pytest.approx(300)
    assert not any(math.isnan(value) for value in later.values())
