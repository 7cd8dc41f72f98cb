"""The stand-in read through the real pynvml: identity, state, faults, call counts, child processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pynvml
import pytest

from energyprof.errors import UnknownName, UsageError
from energyprof.testing.cards import CARDS
from energyprof.testing.devices import DeviceProcess
from energyprof.testing.faults import Fault, FaultKind, NvmlCode
from energyprof.testing.nvml import StandInNvml

SECOND_NS = 10**9
Handle = object


def test_pynvml_gets_its_own_library_back(hopper: StandInNvml) -> None:
    with StandInNvml(["volta", "volta"]) as other, other.loaded():
        pynvml.nvmlInit()
        assert pynvml.nvmlDeviceGetCount() == 2
    pynvml.nvmlInit()
    assert pynvml.nvmlDeviceGetCount() == 1


def test_a_library_that_nobody_initialised_says_so() -> None:
    with StandInNvml() as nvml, nvml.loaded(), pytest.raises(pynvml.NVMLError_Uninitialized):
        pynvml.nvmlDeviceGetCount()


def test_a_shutdown_ends_what_init_began(hopper: StandInNvml) -> None:
    pynvml.nvmlShutdown()
    with pytest.raises(pynvml.NVMLError_Uninitialized):
        pynvml.nvmlDeviceGetCount()


def test_a_driver_that_is_not_loaded_fails_at_init() -> None:
    with StandInNvml() as nvml, nvml.loaded():
        nvml.fault(Fault(function="nvmlInit", code=NvmlCode.DRIVER_NOT_LOADED))
        with pytest.raises(pynvml.NVMLError_DriverNotLoaded):
            pynvml.nvmlInit()
        nvml.clear_faults()
        pynvml.nvmlInit()


@pytest.mark.parametrize("name", CARDS)
def test_every_card_says_what_it_is(name: str) -> None:
    card = CARDS[name]
    with StandInNvml([name]) as nvml, nvml.loaded():
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        assert pynvml.nvmlDeviceGetName(handle) == card.name
        assert pynvml.nvmlDeviceGetArchitecture(handle) == card.architecture
        assert pynvml.nvmlDeviceGetCudaComputeCapability(handle) == list(card.capability) or card.capability
        assert pynvml.nvmlDeviceGetBrand(handle) == card.brand
        assert pynvml.nvmlDeviceGetMemoryInfo(handle).total == card.memory_bytes
        assert pynvml.nvmlDeviceGetEnforcedPowerLimit(handle) == card.power_limit_w * 1e3
        assert pynvml.nvmlDeviceGetPowerManagementDefaultLimit(handle) == card.power_limit_w * 1e3
        low_mw, high_mw = pynvml.nvmlDeviceGetPowerManagementLimitConstraints(handle)
        assert low_mw < high_mw == card.power_limit_w * 1e3


def test_devices_are_found_by_index_uuid_and_bus_id() -> None:
    with StandInNvml(["a100", "a100"]) as nvml, nvml.loaded():
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(1)
        uuid = pynvml.nvmlDeviceGetUUID(handle)
        bus_id = pynvml.nvmlDeviceGetPciInfo(handle).busId
        assert uuid == nvml.device(1).uuid
        assert pynvml.nvmlDeviceGetIndex(pynvml.nvmlDeviceGetHandleByUUID(uuid)) == 1
        assert pynvml.nvmlDeviceGetIndex(pynvml.nvmlDeviceGetHandleByPciBusId(bus_id)) == 1
        assert pynvml.nvmlDeviceGetMinorNumber(handle) == 1
        assert pynvml.nvmlDeviceGetSerial(handle) == "1000001"
        with pytest.raises(pynvml.NVMLError_InvalidArgument):
            pynvml.nvmlDeviceGetHandleByIndex(2)
        with pytest.raises(pynvml.NVMLError_NotFound):
            pynvml.nvmlDeviceGetHandleByUUID("GPU-nobody")


def test_the_system_tells_its_versions(hopper: StandInNvml) -> None:
    assert pynvml.nvmlSystemGetDriverVersion() == "570.00"
    assert pynvml.nvmlSystemGetNVMLVersion() == "12.570.00"
    assert pynvml.nvmlSystemGetCudaDriverVersion() == 12080


def test_state_readings_show_what_was_set(hopper: StandInNvml, handle: Handle) -> None:
    hopper.device(0).set_state(
        busy=0.87, memory_busy=0.4, temperature_c=71, clock_mhz=1755, memory_used_bytes=2**30, clock_reasons=4
    )
    assert pynvml.nvmlDeviceGetUtilizationRates(handle).gpu == 87
    assert pynvml.nvmlDeviceGetUtilizationRates(handle).memory == 40
    assert pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU) == 71
    assert pynvml.nvmlDeviceGetTemperatureV(handle, pynvml.NVML_TEMPERATURE_GPU) == 71
    assert pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM) == 1755
    assert pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_MEM) == 405
    assert pynvml.nvmlDeviceGetMaxClockInfo(handle, pynvml.NVML_CLOCK_SM) == 1980
    assert pynvml.nvmlDeviceGetCurrentClocksEventReasons(handle) == 4
    assert pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle) == 4
    assert pynvml.nvmlDeviceGetMemoryInfo(handle, version=pynvml.nvmlMemory_v2).used == 2**30
    assert pynvml.nvmlDeviceGetMemoryInfo(handle).used > 2**30
    assert pynvml.nvmlDeviceGetSupportedGraphicsClocks(handle, 2619) == [1980]


def test_processes_are_listed_by_kind(hopper: StandInNvml, handle: Handle) -> None:
    assert pynvml.nvmlDeviceGetComputeRunningProcesses(handle) == []
    hopper.device(0).set_processes(
        [DeviceProcess(pid=11, memory_bytes=5), DeviceProcess(pid=12, memory_bytes=6, graphics=True)]
    )
    (compute,) = pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
    (graphics,) = pynvml.nvmlDeviceGetGraphicsRunningProcesses(handle)
    assert (compute.pid, compute.usedGpuMemory) == (11, 5)
    assert graphics.pid == 12


def test_a_card_cut_by_mig_gives_instances_and_power_only_as_a_whole(
    hopper: StandInNvml, handle: Handle
) -> None:
    assert pynvml.nvmlDeviceGetMigMode(handle) == [0, 0]
    hopper.device(0).set_mig(3)
    assert pynvml.nvmlDeviceGetMigMode(handle) == [1, 1]
    assert pynvml.nvmlDeviceGetMaxMigDeviceCount(handle) == 7
    part = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, 2)
    assert pynvml.nvmlDeviceGetUUID(part) == hopper.device(0).mig_uuids[2]
    assert pynvml.nvmlDeviceGetIndex(pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(part)) == 0
    by_uuid = pynvml.nvmlDeviceGetHandleByUUID(hopper.device(0).mig_uuids[1])
    assert pynvml.nvmlDeviceIsMigDeviceHandle(by_uuid).value == 1
    assert pynvml.nvmlDeviceGetMemoryInfo(part).total == CARDS["hopper"].memory_bytes // 3
    with pytest.raises(pynvml.NVMLError_NotSupported):
        pynvml.nvmlDeviceGetPowerUsage(part)
    with pytest.raises(pynvml.NVMLError_NotFound):
        pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, 3)


def test_a_card_without_mig_says_so() -> None:
    with StandInNvml(["volta"]) as nvml, nvml.loaded():
        pynvml.nvmlInit()
        with pytest.raises(pynvml.NVMLError_NotSupported):
            pynvml.nvmlDeviceGetMigMode(pynvml.nvmlDeviceGetHandleByIndex(0))
        with pytest.raises(UsageError):
            nvml.device(0).set_mig(2)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (NvmlCode.NOT_SUPPORTED, pynvml.NVMLError_NotSupported),
        (NvmlCode.NO_PERMISSION, pynvml.NVMLError_NoPermission),
        (NvmlCode.GPU_IS_LOST, pynvml.NVMLError_GpuIsLost),
        (NvmlCode.UNKNOWN, pynvml.NVMLError_Unknown),
        (NvmlCode.TIMEOUT, pynvml.NVMLError_Timeout),
        (NvmlCode.FUNCTION_NOT_FOUND, pynvml.NVMLError_FunctionNotFound),
    ],
)
def test_a_call_fails_as_its_fault_says_and_the_others_do_not(
    hopper: StandInNvml, handle: Handle, code: NvmlCode, error: type[Exception]
) -> None:
    hopper.fault(Fault(function="nvmlDeviceGetPowerUsage", code=code))
    with pytest.raises(error):
        pynvml.nvmlDeviceGetPowerUsage(handle)
    assert pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) > 0


def test_a_fault_lasts_from_its_time_until_its_end(hopper: StandInNvml, handle: Handle) -> None:
    now_ns = hopper.clock.now_ns()
    hopper.fault(
        Fault(code=NvmlCode.GPU_IS_LOST, from_ns=now_ns + SECOND_NS, until_ns=now_ns + 2 * SECOND_NS)
    )
    pynvml.nvmlDeviceGetPowerUsage(handle)
    hopper.clock.sleep_until_ns(now_ns + SECOND_NS)
    with pytest.raises(pynvml.NVMLError_GpuIsLost):
        pynvml.nvmlDeviceGetPowerUsage(handle)
    hopper.clock.sleep_until_ns(now_ns + 2 * SECOND_NS)
    pynvml.nvmlDeviceGetPowerUsage(handle)


def test_a_fault_of_one_device_leaves_the_other_alone() -> None:
    with StandInNvml(["ada", "ada"]) as nvml, nvml.loaded():
        pynvml.nvmlInit()
        nvml.fault(Fault(code=NvmlCode.GPU_IS_LOST, device=1))
        pynvml.nvmlDeviceGetPowerUsage(pynvml.nvmlDeviceGetHandleByIndex(0))
        with pytest.raises(pynvml.NVMLError_GpuIsLost):
            pynvml.nvmlDeviceGetHandleByIndex(1)


def test_a_flaky_call_fails_about_as_often_as_said_and_the_same_way_each_time() -> None:
    def failures() -> list[int]:
        with StandInNvml() as nvml, nvml.loaded():
            pynvml.nvmlInit()
            handle = pynvml.nvmlDeviceGetHandleByIndex(0)
            nvml.fault(Fault(function="nvmlDeviceGetPowerUsage", probability=0.3, seed=5))
            failed = []
            for k in range(1000):
                try:
                    pynvml.nvmlDeviceGetPowerUsage(handle)
                except pynvml.NVMLError_Unknown:
                    failed.append(k)
            return failed

    first = failures()
    assert 250 < len(first) < 350
    assert failures() == first


def test_a_slow_call_takes_virtual_time(hopper: StandInNvml, handle: Handle) -> None:
    hopper.fault(Fault(kind=FaultKind.SLOW, function="nvmlDeviceGetPowerUsage", delay_ns=50_000_000))
    before_ns = hopper.clock.now_ns()
    pynvml.nvmlDeviceGetPowerUsage(handle)
    assert hopper.clock.now_ns() - before_ns == 50_000_000


def test_every_call_on_a_device_takes_its_usual_time() -> None:
    with StandInNvml(call_ns=40_000) as nvml, nvml.loaded():
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        before_ns = nvml.clock.now_ns()
        pynvml.nvmlDeviceGetPowerUsage(handle)
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
        assert nvml.clock.now_ns() - before_ns == 80_000


def test_a_function_that_the_driver_lacks_is_not_found() -> None:
    with StandInNvml(missing=["nvmlDeviceGetFieldValues"]) as nvml, nvml.loaded():
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        with pytest.raises(pynvml.NVMLError_FunctionNotFound):
            pynvml.nvmlDeviceGetFieldValues(handle, [186])
        pynvml.nvmlDeviceGetPowerUsage(handle)


def test_calls_are_counted_by_function_and_device() -> None:
    with StandInNvml(["ada", "ada"]) as nvml, nvml.loaded():
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(k) for k in range(2)]
        for _ in range(3):
            pynvml.nvmlDeviceGetPowerUsage(handles[1])
        pynvml.nvmlDeviceGetFieldValues(handles[0], [83, 186])
        assert nvml.calls("nvmlDeviceGetPowerUsage") == 3
        assert nvml.calls("nvmlDeviceGetPowerUsage", device=0) == 0
        assert nvml.calls("field:186", device=0) == 1
        assert nvml.calls(device=1) == 4
        assert nvml.calls() == 7


def test_threads_may_read_while_the_stand_in_goes_away() -> None:
    gone = threading.Event()
    reading = threading.Barrier(3, timeout=60)  # nobody asks for a device that is gone before it was had
    seen: list[type[BaseException]] = []

    def read() -> None:
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        call = pynvml.nvmlLib.nvmlDeviceGetPowerUsage
        out = pynvml.c_uint()
        reading.wait()
        while not gone.is_set():
            call(handle, pynvml.byref(out))
        seen.append(type(None))

    with StandInNvml() as nvml, nvml.loaded():
        pynvml.nvmlInit()
        threads = [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        reading.wait()
        while nvml.calls("nvmlDeviceGetPowerUsage") < 100:
            pass
    gone.set()
    for thread in threads:
        thread.join()
    assert seen == [type(None)] * 2


CHILD = """
import time, pynvml
pynvml.nvmlInit()
handle = pynvml.nvmlDeviceGetHandleByIndex(0)
stamp_us = pynvml.nvmlDeviceGetFieldValues(handle, [186])[0].timestamp
print(pynvml.nvmlDeviceGetUUID(handle), pynvml.nvmlDeviceGetPowerUsage(handle), time.time() * 1e6 - stamp_us)
"""


def test_a_child_process_reads_the_same_devices_on_the_real_clock() -> None:
    with StandInNvml(["turing"], virtual=False) as nvml:
        nvml.device(0).power = nvml.device(0).power.steady(123.456)
        environment = {**os.environ, **nvml.environment()}
        outcome = subprocess.run(
            [sys.executable, "-c", CHILD], env=environment, capture_output=True, text=True, check=True
        )
        uuid, power_mw, age_us = outcome.stdout.split()
        assert (uuid, int(power_mw)) == (nvml.device(0).uuid, 123456)
        assert -1000 < float(age_us) < 10**6
        assert nvml.calls("nvmlDeviceGetPowerUsage") == 1


def test_a_child_process_without_a_block_finds_no_driver() -> None:
    with StandInNvml() as nvml:
        environment = {**os.environ, "LD_LIBRARY_PATH": nvml.environment()["LD_LIBRARY_PATH"]}
    outcome = subprocess.run([sys.executable, "-c", CHILD], env=environment, capture_output=True, text=True)
    assert "DriverNotLoaded" in outcome.stderr


def test_cards_that_are_not_known_and_too_many_devices_are_refused() -> None:
    with pytest.raises(UnknownName, match="hopper"):
        StandInNvml(["hoper"])
    with pytest.raises(UsageError):
        StandInNvml(["ada"] * 9)


def test_a_fault_too_many_is_refused(hopper: StandInNvml) -> None:
    for _ in range(64):
        hopper.fault(Fault(function="nvmlDeviceGetFanSpeed"))
    with pytest.raises(UsageError):
        hopper.fault(Fault())
