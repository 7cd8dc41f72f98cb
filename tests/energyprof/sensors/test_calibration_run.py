"""Calibrating stand-in cards: what is put into a sensor model is found again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from energyprof.errors import SensorUnavailable
from energyprof.sensors.calibration import Calibration
from energyprof.sensors.calibration_run import calibrate
from energyprof.sensors.nvml import NvmlSensor
from energyprof.sensors.nvml_device import list_devices
from energyprof.sensors.nvml_library import NvmlLibrary
from energyprof.testing.cards import CARDS
from energyprof.testing.faults import Fault
from energyprof.testing.nvml import StandInNvml

MakeNvml = Callable[..., StandInNvml]
MS = 1_000_000
LOAD_W = 300.0


def run(
    nvml: StandInNvml, *, loaded: bool = True, seconds: float = 60.0, blocking: bool = False
) -> Calibration:
    idle_w = nvml.device(0).card.idle_w

    def load(duration_s: float) -> None:
        device, now = nvml.device(0), nvml.clock.now_ns()
        device.power = device.power.then(now, LOAD_W).then(now + int(duration_s * 1e9), idle_w)
        if blocking:
            nvml.clock.sleep_until_ns(now + int(duration_s * 1e9))

    library = NvmlLibrary.open()
    device = list_devices(library)[0]
    sensor = NvmlSensor(library, device, "gpu:0", nvml.clock)
    try:
        return calibrate(
            sensor, device.info("gpu:0"), nvml.clock, seconds=seconds, load=load if loaded else None
        )
    finally:
        sensor.close()
        library.close()


@pytest.mark.parametrize(
    ("card", "refresh_ms", "window_ms", "lag_ms", "noise_w"),
    [
        ("hopper", 100, 25, 0, 3.0),
        ("hopper", 109, 17, 40, 1.0),
        ("a100", 93, 25, 10, 2.0),
        ("ada", 100, 100, 0, 1.0),
        ("turing", 80, 80, 20, 0.0),
        ("volta", 20, 10, 0, 1.0),
    ],
)
def test_refresh_window_and_lag_are_found_again(
    card: str, refresh_ms: int, window_ms: int, lag_ms: int, noise_w: float, make_nvml: MakeNvml
) -> None:
    model = {"refresh_ns": refresh_ms * MS, "counter_ns": refresh_ms * MS, "window_ns": window_ms * MS}
    found = run(
        make_nvml(CARDS[card].with_sensor(**model, lag_ns=lag_ms * MS, noise_w=noise_w), call_ns=50_000)
    )
    assert found.power_refresh_s == pytest.approx(refresh_ms / 1e3, rel=1e-3)
    assert found.counter_refresh_s == pytest.approx(refresh_ms / 1e3, rel=1e-3)
    assert found.power_window_s == pytest.approx(window_ms / 1e3, abs=0.003)
    assert found.power_lag_s == pytest.approx(lag_ms / 1e3, abs=0.003)
    assert found.counter_window_s == pytest.approx(refresh_ms / 1e3, rel=0.05)
    assert found.lag_s == 0.0
    assert not found.partial_counter
    assert found.notes == ()


def test_a_counter_that_sees_only_its_windows_is_told_from_one_that_sees_all(make_nvml: MakeNvml) -> None:
    found = run(make_nvml(CARDS["hopper"].with_sensor(counter_windowed=True, noise_w=2.0)))
    assert found.partial_counter
    assert found.counter_window_s == pytest.approx(0.025, abs=0.003)


def test_idle_noise_load_and_floor_are_found(make_nvml: MakeNvml) -> None:
    found = run(make_nvml(CARDS["hopper"].with_sensor(noise_w=3.0)))
    assert found.idle_power_w == pytest.approx(70, abs=1.5)
    assert found.idle_noise_w == pytest.approx(3, rel=0.35)
    assert found.load_power_w == pytest.approx(LOAD_W, abs=5)
    assert found.power_floor_w is not None
    assert 50 < found.power_floor_w < 70
    assert found.average_window_s == pytest.approx(1.0, abs=0.05)


def test_jitter_is_found(make_nvml: MakeNvml) -> None:
    found = run(make_nvml(CARDS["hopper"].with_sensor(jitter_ns=6 * MS, noise_w=1.0)))
    assert found.power_jitter_s == pytest.approx(0.006 / 3**0.5, rel=0.35)  # uniform, 6 ms either way
    assert found.counter_jitter_s == pytest.approx(0.006 / 3**0.5, rel=0.35)


def test_a_gain_between_power_and_counter_is_found(make_nvml: MakeNvml) -> None:
    found = run(make_nvml(CARDS["ada"].with_sensor(gain=1.08, noise_w=1.0)))
    assert found.power_over_counter == pytest.approx(0.08, abs=0.01)


def test_without_a_load_there_are_idle_figures_and_a_note(make_nvml: MakeNvml) -> None:
    found = run(make_nvml(CARDS["hopper"].with_sensor(noise_w=2.0)), loaded=False, seconds=20)
    assert found.idle_power_w == pytest.approx(70, abs=1)
    assert found.power_refresh_s == pytest.approx(0.1, rel=1e-3)
    assert found.power_window_s is None
    assert found.load_power_w is None
    assert "there was no load" in found.notes[0]


def test_a_power_reading_that_never_changes_tells_no_refresh(make_nvml: MakeNvml) -> None:
    found = run(make_nvml("hopper"), loaded=False, seconds=10)
    assert found.power_refresh_s is None
    assert found.counter_refresh_s == pytest.approx(0.1, rel=1e-3)
    assert any("hardly changed" in note for note in found.notes)


def test_a_load_that_does_not_return_at_once_is_noticed(make_nvml: MakeNvml) -> None:
    found = run(make_nvml(CARDS["hopper"].with_sensor(noise_w=1.0)), blocking=True)
    assert found.power_window_s is None
    assert any("did not return at once" in note for note in found.notes)


def test_a_card_without_a_counter_is_calibrated_by_its_power(make_nvml: MakeNvml) -> None:
    found = run(make_nvml(CARDS["pascal"].with_sensor(sample_ns=0, noise_w=1.0)))
    assert found.counter_refresh_s is None
    assert found.power_window_s == pytest.approx(0.010, abs=0.002)
    assert found.refresh_s == pytest.approx(0.02, rel=1e-3)


def test_a_flaky_driver_is_calibrated_all_the_same(make_nvml: MakeNvml) -> None:
    nvml = make_nvml(CARDS["hopper"].with_sensor(noise_w=1.0))
    nvml.fault(Fault(function="nvmlDeviceGetFieldValues", probability=0.1, seed=3))
    found = run(nvml)
    assert found.power_window_s == pytest.approx(0.025, abs=0.004)


def test_a_card_that_does_not_answer_cannot_be_calibrated(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper")
    nvml.fault(Fault(function="nvmlDeviceGetFieldValues", from_ns=nvml.clock.now_ns() + MS))
    with pytest.raises(SensorUnavailable, match="cannot be calibrated"):
        run(nvml, loaded=False, seconds=5)
