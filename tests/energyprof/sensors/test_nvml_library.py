"""NVML's return codes in words, and who may shut it down."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pynvml
import pytest

from energyprof.errors import SensorError, SensorLost, SensorUnavailable
from energyprof.sensors.nvml import NvmlSensor
from energyprof.sensors.nvml_device import list_devices
from energyprof.sensors.nvml_library import DriverReloaded, NvmlLibrary, describe, failure
from energyprof.sensors.nvml_state import NvmlStateSensor
from energyprof.testing.faults import Fault, NvmlCode
from energyprof.testing.nvml import StandInNvml

MakeNvml = Callable[..., StandInNvml]


@pytest.mark.parametrize(
    ("code", "kind"),
    [(3, SensorUnavailable), (4, SensorUnavailable), (13, SensorUnavailable), (15, SensorLost)]
    + [(code, DriverReloaded) for code in (1, 2, 9, 18)]
    + [(code, SensorError) for code in (10, 999, 12345)],
)
def test_a_return_code_is_an_error_by_what_can_be_done_about_it(code: int, kind: type[SensorError]) -> None:
    assert type(failure("nvmlDoThis", code)) is kind
    assert str(failure("nvmlDoThis", code)).startswith("nvmlDoThis: ")


def test_an_unknown_code_is_told_by_its_number() -> None:
    assert describe(12345) == "NVML error 12345"


@pytest.mark.parametrize("code", sorted(set(NvmlCode)))
def test_every_code_that_a_driver_is_seen_to_give_has_words(code: NvmlCode) -> None:
    assert "NVML error" not in describe(code)


def test_a_library_that_does_not_start_at_once_is_started_again(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper")
    nvml.fault(Fault(function="nvmlInit", code=NvmlCode.UNKNOWN))
    with pytest.raises(SensorUnavailable, match="unknown error; see `nvidia-smi`"):
        NvmlLibrary.open()
    assert nvml.calls("nvmlInit") == 5


def test_the_last_of_several_holders_shuts_the_library_down(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper")
    library = NvmlLibrary.open()
    other = library.share()
    library.close()
    assert nvml.calls("nvmlShutdown") == 0
    other.close()
    assert nvml.calls("nvmlShutdown") == 1


def test_a_shutdown_that_fails_is_no_error(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper")
    library = NvmlLibrary.open()
    nvml.fault(Fault(function="nvmlShutdown"))
    library.close()


def test_a_flaky_answer_is_asked_for_again(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper")
    library = NvmlLibrary.open()
    nvml.fault(Fault(function="nvmlDeviceGetCount", probability=0.5, seed=4))
    assert [library.ask("nvmlDeviceGetCount") for _ in range(20)].count(1) >= 18
    library.close()


def test_an_older_driver_is_asked_by_the_older_name(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper", missing=["nvmlDeviceGetComputeRunningProcesses"])
    library = NvmlLibrary.open()
    handle = list_devices(library)[0].handle
    with pytest.raises(SensorUnavailable, match="this driver does not have it"):
        library.call("nvmlDeviceGetComputeRunningProcesses", handle)
    library._pynvml = SimpleNamespace(
        NVMLError=pynvml.NVMLError,
        NVMLLibraryMismatchError=pynvml.NVMLLibraryMismatchError,
        nvmlDo=mismatched,
        nvmlDo_v2=lambda: 7,
    )
    assert library.call("nvmlDo") == 7
    library._pynvml = pynvml
    library.close()
    assert nvml.calls("nvmlShutdown") == 1


def mismatched() -> None:
    raise pynvml.NVMLLibraryMismatchError("use a versioned function")


def test_a_question_that_cannot_be_answered_is_none(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper")
    library = NvmlLibrary.open()
    nvml.fault(Fault(function="nvmlDeviceGetCount", code=NvmlCode.NOT_SUPPORTED))
    assert library.ask("nvmlDeviceGetCount") is None
    library.close()


@pytest.mark.parametrize("hidden", [False, True])
def test_fields_and_state_are_read_the_same_where_pynvml_hides_the_drivers_functions(
    hidden: bool, make_nvml: MakeNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvml = make_nvml("hopper")
    nvml.set_power(0, 300.0)
    nvml.device(0).set_state(temperature_c=61, memory_used_bytes=5 * 1024**3)
    nvml.clock.sleep_until_ns(nvml.clock.now_ns() + 10**9)
    library = NvmlLibrary.open()
    device = list_devices(library)[0]
    if hidden:  # only from outside: pynvml goes on using it
        monkeypatch.setattr(library, "_pynvml", _without("_nvmlGetFunctionPointer"))
    power, state = NvmlSensor(library, device, "gpu:0", nvml.clock), NvmlStateSensor(library, device, "gpu:0")
    readings = [reading for _ in range(3) for reading in power.read()]
    assert {r.value for r in readings if r.channel == "gpu:0/power"} == {300.0}
    assert {r.channel for r in readings} == {"gpu:0/energy", "gpu:0/power", "gpu:0/power_average"}
    assert all(reading.sensor_time_ns for reading in readings)
    assert (power.capture()[0] is None) is hidden
    told = {reading.channel: reading.value for reading in state.read()}
    assert told["gpu:0/temperature"] == 61
    assert told["gpu:0/memory"] >= 5 * 1024**3
    for holder in (power, state, library):
        holder.close()


def _without(name: str) -> object:
    """Return pynvml with one of its names left out."""
    return SimpleNamespace(**{key: value for key, value in vars(pynvml).items() if key != name})
