"""What the stand-in's sensors make of true power: windows, averages, counters, stamps, samples, noise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pynvml
import pytest

from energyprof.errors import UsageError
from energyprof.testing.cards import CARDS, Card
from energyprof.testing.clock import WALL_EPOCH_NS
from energyprof.testing.faults import Fault, FaultKind, NvmlCode
from energyprof.testing.nvml import StandInNvml
from energyprof.testing.true_power import TruePower

MS = 1_000_000
SECOND_NS = 10**9
STEPS = [(0.035, 350.0), (0.015, 80.0)]
Handle = object


@contextmanager
def reading(card: Card | str) -> Iterator[tuple[StandInNvml, Handle]]:
    with StandInNvml([card]) as nvml, nvml.loaded():
        pynvml.nvmlInit()
        yield nvml, pynvml.nvmlDeviceGetHandleByIndex(0)


def counter_mj(handle: Handle) -> int:
    return int(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle))


def field(handle: Handle, number: int, scope: int = 0) -> object:
    return pynvml.nvmlDeviceGetFieldValues(handle, [(number, scope)])[0]


@pytest.mark.parametrize("name", [name for name, card in CARDS.items() if card.sensor.counter_ns])
def test_the_counter_gains_exactly_the_true_energy_between_two_of_its_edges(name: str) -> None:
    with reading(name) as (nvml, handle):
        start_ns, before_mj = nvml.clock.now_ns(), counter_mj(handle)
        nvml.set_power(0, TruePower.of(STEPS, start_ns=start_ns, repeat_from=0, before_w=CARDS[name].idle_w))
        nvml.clock.sleep_until_ns(start_ns + 10 * SECOND_NS)
        assert counter_mj(handle) - before_mj == round(
            1e3 * nvml.true_energy_j(0, start_ns, nvml.clock.now_ns())
        )


@pytest.mark.parametrize("name", CARDS)
def test_the_counter_moves_at_its_own_pace_and_field_83_agrees(name: str) -> None:
    with reading(name) as (nvml, handle):
        period_ns = CARDS[name].sensor.counter_ns
        if not period_ns:
            with pytest.raises(pynvml.NVMLError_NotSupported):
                counter_mj(handle)
            assert field(handle, 83).nvmlReturn == pynvml.NVML_ERROR_NOT_SUPPORTED
            return
        nvml.clock.advance_ns(1)
        first = counter_mj(handle)
        nvml.clock.advance_ns(period_ns - 2)
        assert counter_mj(handle) == first
        nvml.clock.advance_ns(1)
        assert counter_mj(handle) > first
        assert field(handle, 83).value.ullVal == counter_mj(handle)


@pytest.mark.parametrize("name", CARDS)
def test_an_instant_reading_is_the_mean_of_its_window_before_the_refresh(name: str) -> None:
    sensor = CARDS[name].sensor
    with reading(name) as (nvml, handle):
        start_ns = nvml.clock.now_ns()
        power = TruePower.of([(0.0137, 300.0), (0.0211, 60.0)], start_ns=start_ns, repeat_from=0)
        nvml.set_power(0, power)
        for k in range(1, 20):
            edge_ns = start_ns + k * sensor.refresh_ns
            nvml.clock.sleep_until_ns(edge_ns + sensor.refresh_ns // 3)
            expected_w = power.energy_j(edge_ns - sensor.window_ns, edge_ns) / sensor.window_ns * 1e9
            assert field(handle, 186).value.uiVal == round(expected_w * 1e3)


@pytest.mark.parametrize("name", CARDS)
def test_power_usage_is_the_average_where_the_architecture_has_one_and_the_instant_otherwise(
    name: str,
) -> None:
    sensor = CARDS[name].sensor
    with reading(name) as (nvml, handle):
        start_ns = nvml.clock.now_ns()
        nvml.set_power(0, TruePower.of([(0.5, 40.0), (99.0, 200.0)], start_ns=start_ns, before_w=40.0))
        nvml.clock.sleep_until_ns(start_ns + SECOND_NS)
        usage_mw = pynvml.nvmlDeviceGetPowerUsage(handle)
        average = field(handle, 185)
        assert field(handle, 186).value.uiVal == 200_000
        assert usage_mw == (120_000 if sensor.average_ns else 200_000)
        assert average.nvmlReturn == (0 if sensor.average_ns else pynvml.NVML_ERROR_NOT_SUPPORTED)
        assert average.value.uiVal == (120_000 if sensor.average_ns else 0)


def test_a_reading_comes_late_with_gain_and_offset() -> None:
    card = CARDS["turing"].with_sensor(lag_ns=40 * MS, gain=1.1, offset_w=-5.0)
    with reading(card) as (nvml, handle):
        start_ns = nvml.clock.now_ns()
        nvml.set_power(0, TruePower.of([(1.0, 100.0)], start_ns=start_ns, before_w=0.0))
        nvml.clock.sleep_until_ns(start_ns + 100 * MS)
        assert field(handle, 186).value.uiVal == round((60.0 * 1.1 - 5.0) * 1e3)


def test_a_reading_never_falls_below_zero() -> None:
    with reading(CARDS["turing"].with_sensor(offset_w=-500.0)) as (_, handle):
        assert field(handle, 186).value.uiVal == 0


def test_noise_is_drawn_at_each_refresh_and_repeats_with_its_seed() -> None:
    def readings(seed: int) -> list[int]:
        with reading(CARDS["turing"].with_sensor(noise_w=5.0, seed=seed)) as (nvml, handle):
            nvml.device(0).power = TruePower.steady(200.0)
            seen = []
            for _ in range(500):
                nvml.clock.advance_ns(100 * MS)
                seen.append(field(handle, 186).value.uiVal)
                nvml.clock.advance_ns(1)
                assert field(handle, 186).value.uiVal == seen[-1]
            return seen

    first = readings(1)
    assert first == readings(1) != readings(2)
    assert abs(np.mean(first) - 200_000) < 700
    assert abs(np.std(first) - 5_000) < 500


def test_jitter_moves_the_edges_but_never_their_order() -> None:
    card = CARDS["turing"].with_sensor(jitter_ns=20 * MS, seed=3)
    with reading(card) as (nvml, handle):
        stamps = []
        for _ in range(2000):
            nvml.clock.advance_ns(5 * MS)
            stamps.append(field(handle, 83).timestamp)
        gaps_us = np.diff(np.unique(stamps))
        assert np.all(np.diff(stamps) >= 0)
        assert 60_000 <= gaps_us.min() < 80_000 < 120_000 < gaps_us.max() <= 140_000
        assert abs(gaps_us.mean() - 100_000) < 1_000
    with pytest.raises(UsageError):
        nvml.device(0).sensor = card.with_sensor(jitter_ns=50 * MS).sensor


def test_a_counter_that_sees_only_its_windows_misses_what_lies_between() -> None:
    card = CARDS["a100"].with_sensor(counter_windowed=True)
    with reading(card) as (nvml, handle):
        start_ns, before_mj = nvml.clock.now_ns(), counter_mj(handle)
        nvml.set_power(0, TruePower.of([(0.075, 80.0), (0.025, 380.0)], start_ns=start_ns, repeat_from=0))
        before_mj = counter_mj(handle)
        nvml.clock.sleep_until_ns(start_ns + 10 * SECOND_NS)
        assert counter_mj(handle) - before_mj == 3_800_000
        assert nvml.true_energy_j(0, start_ns, nvml.clock.now_ns()) == 1550.0


def test_a_counter_with_a_gain_disagrees_with_power() -> None:
    with reading(CARDS["turing"].with_sensor(counter_gain=1.5)) as (nvml, handle):
        nvml.device(0).power = TruePower.steady(100.0)
        before_mj = counter_mj(handle)
        nvml.clock.advance_ns(SECOND_NS)
        assert counter_mj(handle) - before_mj == 150_000


def test_a_coarse_counter_moves_in_its_units() -> None:
    with reading(CARDS["turing"].with_sensor(counter_unit_mj=1000, counter_base_mj=0)) as (nvml, handle):
        nvml.device(0).power = TruePower.steady(25.0)
        values = []
        for _ in range(20):
            nvml.clock.advance_ns(100 * MS)
            values.append(counter_mj(handle))
        assert all(value % 1000 == 0 for value in values)
        assert values[-1] - values[0] in (47_000, 48_000)


def test_a_counter_reset_begins_again_at_zero_and_a_later_one_once_more(
    hopper: StandInNvml, handle: Handle
) -> None:
    start_ns = hopper.clock.now_ns()
    hopper.device(0).power = TruePower.steady(100.0)
    for at_s in (3, 6):
        hopper.fault(Fault(kind=FaultKind.COUNTER_RESET, device=0, from_ns=start_ns + at_s * SECOND_NS))
    shown = []
    for at_s in (2, 3, 5, 6, 7):
        hopper.clock.sleep_until_ns(start_ns + at_s * SECOND_NS)
        shown.append(counter_mj(handle))
    assert shown[0] > 1_234_567
    assert shown[1:] == [0, 200_000, 0, 100_000]


def test_a_frozen_counter_stands_still_and_then_catches_up(hopper: StandInNvml, handle: Handle) -> None:
    start_ns = hopper.clock.now_ns()
    hopper.device(0).power = TruePower.steady(100.0)
    hopper.fault(
        Fault(kind=FaultKind.COUNTER_FROZEN, from_ns=start_ns + SECOND_NS, until_ns=start_ns + 3 * SECOND_NS)
    )
    before_mj = counter_mj(handle)
    gained = []
    for at_s in (1, 2, 3):
        hopper.clock.sleep_until_ns(start_ns + at_s * SECOND_NS)
        gained.append(counter_mj(handle) - before_mj)
    assert gained == [100_000, 100_000, 300_000]


def test_field_stamps_are_the_wall_time_of_the_refresh(hopper: StandInNvml, handle: Handle) -> None:
    edge_ns = hopper.clock.now_ns()
    hopper.clock.advance_ns(73 * MS)
    for number in (83, 185, 186):
        assert field(handle, number).timestamp == (edge_ns + WALL_EPOCH_NS) // 1000


def test_a_driver_may_stamp_fields_with_the_time_of_the_call() -> None:
    with reading(CARDS["hopper"].with_sensor(stamp_at_call=True)) as (nvml, handle):
        nvml.clock.advance_ns(73 * MS)
        assert field(handle, 186).timestamp == nvml.clock.wall_ns() // 1000


def test_broken_stamps_are_zero(hopper: StandInNvml, handle: Handle) -> None:
    hopper.fault(Fault(kind=FaultKind.BAD_STAMPS))
    assert field(handle, 186).timestamp == 0
    assert field(handle, 186).value.uiVal > 0


def test_fields_answer_for_the_scopes_that_the_device_has(hopper: StandInNvml, handle: Handle) -> None:
    hopper.device(0).power = TruePower.steady(200.0)
    assert field(handle, 186, pynvml.NVML_POWER_SCOPE_MODULE).nvmlReturn == pynvml.NVML_ERROR_NOT_SUPPORTED
    hopper.device(0).set_scopes(module_extra_w=60.0, memory_share=0.25)
    assert field(handle, 186, pynvml.NVML_POWER_SCOPE_MODULE).value.uiVal == 260_000
    assert field(handle, 186, pynvml.NVML_POWER_SCOPE_MEMORY).value.uiVal == 50_000


def test_one_field_may_fail_while_the_others_answer(hopper: StandInNvml, handle: Handle) -> None:
    hopper.fault(Fault(function="field:186", code=NvmlCode.NO_PERMISSION))
    energy, instant, unknown = pynvml.nvmlDeviceGetFieldValues(handle, [83, 186, 250])
    assert energy.nvmlReturn == pynvml.NVML_SUCCESS
    assert instant.nvmlReturn == pynvml.NVML_ERROR_NO_PERMISSION
    assert unknown.nvmlReturn == pynvml.NVML_ERROR_NOT_SUPPORTED


def test_a_driver_without_field_values_says_so() -> None:
    card = CARDS["volta"].with_sensor(has_fields=False)
    with reading(card) as (_, handle), pytest.raises(pynvml.NVMLError_NotSupported):
        field(handle, 186)


def test_samples_come_from_a_ring_and_only_those_not_seen(hopper: StandInNvml, handle: Handle) -> None:
    hopper.device(0).power = TruePower.steady(150.0)
    hopper.clock.advance_ns(30 * SECOND_NS)
    _, samples = pynvml.nvmlDeviceGetSamples(handle, pynvml.NVML_TOTAL_POWER_SAMPLES, 0)
    assert len(samples) == 120
    assert {sample.sampleValue.uiVal for sample in samples} == {150_000}
    assert set(np.diff([sample.timeStamp for sample in samples])) == {100_000}
    assert samples[-1].timeStamp == hopper.clock.wall_ns() // 1000
    _, later = pynvml.nvmlDeviceGetSamples(handle, pynvml.NVML_TOTAL_POWER_SAMPLES, samples[-4].timeStamp)
    assert [sample.timeStamp for sample in later] == [sample.timeStamp for sample in samples[-3:]]
    with pytest.raises(pynvml.NVMLError_NotFound):
        pynvml.nvmlDeviceGetSamples(handle, pynvml.NVML_TOTAL_POWER_SAMPLES, samples[-1].timeStamp)
    with pytest.raises(pynvml.NVMLError_NotSupported):
        pynvml.nvmlDeviceGetSamples(handle, pynvml.NVML_GPU_UTILIZATION_SAMPLES, 0)


def test_watts_set_while_it_runs_hold_from_then_on(hopper: StandInNvml, handle: Handle) -> None:
    start_ns, before_mj = hopper.clock.now_ns(), counter_mj(handle)
    hopper.set_power(0, 300.0)
    hopper.clock.advance_ns(SECOND_NS)
    hopper.set_power(0, 100.0)
    hopper.clock.advance_ns(SECOND_NS)
    assert counter_mj(handle) - before_mj == 400_000
    assert hopper.true_energy_j(0, start_ns, hopper.clock.now_ns()) == 400.0


def test_a_schedule_too_long_for_the_block_is_refused(hopper: StandInNvml) -> None:
    with pytest.raises(UsageError):
        hopper.set_power(0, TruePower.of([(1e-6, 10.0)] * 131_073, start_ns=0))
