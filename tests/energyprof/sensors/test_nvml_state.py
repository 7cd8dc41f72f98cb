"""A device's state: what is read, how often, and whose processes are foreign."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from energyprof.errors import SensorError, SensorUnavailable
from energyprof.recording.sampler import Sampler
from energyprof.sensors.nvml_device import list_devices
from energyprof.sensors.nvml_library import NvmlLibrary
from energyprof.sensors.nvml_state import NvmlStateSensor
from energyprof.testing.devices import DeviceProcess
from energyprof.testing.faults import Fault, NvmlCode
from energyprof.testing.nvml import StandInNvml

MakeNvml = Callable[..., StandInNvml]
SECOND = 10**9


def sensor_of() -> NvmlStateSensor:
    library = NvmlLibrary.open()
    try:
        return NvmlStateSensor(library, list_devices(library)[0], "gpu:0")
    finally:
        library.close()


def first_values(sensor: NvmlStateSensor) -> dict[str, float]:
    return {reading.channel.rpartition("/")[2]: reading.value for reading in sensor.read()}


def test_the_first_reading_tells_everything_in_si_units(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper")
    nvml.device(0).set_state(
        busy=0.37, temperature_c=61, clock_mhz=1410, memory_used_bytes=5 * 1024**3, clock_reasons=0x20
    )
    values = first_values(sensor_of())
    assert values["utilisation"] == 0.37
    assert values["temperature"] == 61
    assert values["sm_clock"] == 1.41e9
    assert values["memory"] >= 5 * 1024**3
    assert values["throttle_reasons"] == 0x20
    assert values["power_limit"] == 700
    assert values["other_processes"] == 0


def test_state_costs_eight_calls_a_second_whatever_it_tells(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper")
    sampler = Sampler([sensor_of()], nvml.clock, nvml.clock.now_ns())
    sampler.poll()
    calls, end = nvml.calls(), nvml.clock.now_ns() + 20 * SECOND
    while sampler.next_due_ns() < end:
        nvml.clock.sleep_until_ns(sampler.next_due_ns())
        sampler.poll()
    assert (nvml.calls() - calls) / 20 <= 8.1
    rows = sampler.drain()
    for index, name in enumerate(rows.channels):
        assert (rows.channel == index).sum() >= 10, name


def test_processes_that_this_one_did_not_start_are_foreign(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper")
    sensor = sensor_of()
    nvml.device(0).set_processes([DeviceProcess(pid=os.getpid(), memory_bytes=1)])
    assert first_values(sensor)["other_processes"] == 0
    nvml.device(0).set_processes(
        [DeviceProcess(pid=os.getpid(), memory_bytes=1), DeviceProcess(pid=1, memory_bytes=1)]
    )
    assert first_values(sensor_of())["other_processes"] == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_this_process_is_not_foreign(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper")
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    try:
        nvml.device(0).set_processes([DeviceProcess(pid=child, memory_bytes=1)])
        assert first_values(sensor_of())["other_processes"] == 0
    finally:
        os.close(write)
        os.waitpid(child, 0)
        os.close(read)


def test_what_the_card_does_not_tell_is_left_out(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper")
    nvml.fault(Fault(function="nvmlDeviceGetUtilizationRates", code=NvmlCode.NOT_SUPPORTED))
    sensor = sensor_of()
    assert "utilisation" not in first_values(sensor)
    assert "gpu:0/utilisation" not in {spec.name for spec in sensor.channels}


def test_a_card_that_tells_nothing_has_no_state_sensor(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper")
    library = NvmlLibrary.open()
    device = list_devices(library)[0]
    nvml.fault(Fault(code=NvmlCode.NOT_SUPPORTED))
    with pytest.raises(SensorUnavailable, match="tells nothing"):
        NvmlStateSensor(library, device, "gpu:0")
    library.close()


def test_one_value_that_fails_leaves_the_others(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper")
    sensor = sensor_of()
    nvml.fault(Fault(function="nvmlDeviceGetTemperature"))
    readings = sensor.read()
    failed = [reading for reading in readings if reading.value != reading.value]
    assert [reading.channel for reading in failed] == ["gpu:0/temperature"]
    assert "nvmlDeviceGetTemperature" in (failed[0].reason or "")


def test_a_driver_reload_is_survived(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper")
    sensor = sensor_of()
    sensor.read()
    nvml.fault(Fault(code=NvmlCode.DRIVER_NOT_LOADED))
    with pytest.raises(SensorError):
        sensor.read()
    nvml.clear_faults()
    assert sensor.read()
    assert nvml.calls("nvmlDeviceGetHandleByUUID") == 1


def test_closing_gives_the_library_back_once(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper")
    sensor = sensor_of()
    sensor.close()
    sensor.close()
    assert nvml.calls("nvmlShutdown") == 1
    with pytest.raises(SensorError):
        sensor.read()
