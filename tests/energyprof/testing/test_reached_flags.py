"""Every flag is reached by a run: in virtual time over the stand-in driver, or on a real clock."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import energyprof
from energyprof.carbon import carbon_intensity
from energyprof.clock import SystemClock
from energyprof.record.model import Flag, Quantity, ResumedFrom
from energyprof.record.store import list_runs
from energyprof.recording.profiler import Profiler
from energyprof.report.build import rebuild_report
from energyprof.sensors.cpu_model import CpuModel
from energyprof.sensors.rapl import find_zones, open_zones
from energyprof.testing.cards import CARDS
from energyprof.testing.devices import DeviceProcess
from energyprof.testing.faults import FOR_EVER_NS, Fault, FaultKind, NvmlCode
from energyprof.testing.loads import TRAINING_STEP, Load, steady, training
from energyprof.testing.nvml import StandInNvml
from energyprof.testing.powercap import FakePowercap
from energyprof.testing.promises import modelled_intervals
from energyprof.testing.simulation import simulate, simulate_host

ADA = CARDS["ada"].with_sensor(phase_ns=41_000_000, counter_phase_ns=63_000_000, noise_w=1.0)
STEPS = training(TRAINING_STEP, 6.0, name="steps", jitter=0.05)
IRREGULAR = training([("a", 0.025, 300.0), ("b", 0.035, 90.0)], 15.0, name="irregular steps", jitter=0.15)
LOCKED = training(TRAINING_STEP, 6.0, name="locked steps")
WAITING = training(
    [("train/data", 0.3, 60.0), ("train", 0.1, 200.0), ("evaluate", 0.05, 150.0), ("checkpoint", 0.05, 60.0)],
    9.0,
    name="waiting for data",
    jitter=0.02,
)
NOT_SUPPORTED: dict[str, Any] = {"code": NvmlCode.NOT_SUPPORTED}

Flags = tuple[Flag, ...]


def simulated(card: Any = ADA, load: Load = STEPS, **settings: Any) -> Flags:
    return simulate(card, load, **settings).report.flags


def during(start_s: float, end_s: float | None, **fault: Any) -> Fault:
    until_ns = FOR_EVER_NS if end_s is None else int(end_s * 1e9)
    return Fault(from_ns=int(start_s * 1e9), until_ns=until_ns, **fault)


@cache
def troubled_machine() -> Flags:
    """A shared card that gets hot and lowers its clocks, while it mostly waits for data."""
    stranger = DeviceProcess(pid=1, memory_bytes=2**30)
    events = [
        (0.0, lambda nvml: nvml.device(0).set_state(busy=0.2, temperature_c=40)),
        (4.0, lambda nvml: nvml.device(0).set_processes([stranger])),
        (6.0, lambda nvml: nvml.device(0).set_state(temperature_c=71, clock_reasons=0x40)),
    ]
    return simulated(load=WAITING, events=events)


@contextmanager
def recorded(sensors: Sequence[Any] | None, **settings: Any) -> Iterator[Profiler]:
    with tempfile.TemporaryDirectory() as out, Profiler("t", out=out, sensors=sensors, **settings) as prof:
        yield prof


def on_a_machine(nvml: StandInNvml, seconds: float = 0.3, **facts: Any) -> Flags:
    """Return the flags of a short run that uses whatever sensors the machine has."""
    with nvml, nvml.loaded(), recorded(None, html=False) as prof:
        prof.describe(**facts)
        time.sleep(seconds)
    return prof.run.report.flags


def machine(*faults: Fault, cards: Sequence[str] = ("hopper",)) -> StandInNvml:
    nvml = StandInNvml(cards, virtual=False)
    for fault in faults:
        nvml.fault(fault)
    return nvml


@cache
def unreadable_gpu() -> Flags:
    silent = (
        "field:83",
        "field:185",
        "field:186",
        "nvmlDeviceGetTotalEnergyConsumption",
        "nvmlDeviceGetPowerUsage",
    )
    return on_a_machine(machine(*(Fault(function=name, **NOT_SUPPORTED) for name in silent)), device="cuda:0")


def one_unreadable_gpu_of_two() -> Flags:
    lost = Fault(function="nvmlDeviceGetFieldValues", device=1, code=NvmlCode.GPU_IS_LOST)
    return on_a_machine(machine(lost, cards=("hopper", "hopper")))


def flaky_driver() -> Flags:
    return on_a_machine(machine(Fault(probability=0.3, seed=1)), seconds=1.0)


def memory_counter_that_goes_away() -> Flags:
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as folder:
        tree = FakePowercap(Path(folder), clock)
        package = tree.add("package-0", 80.0)
        dram = tree.add("dram", 9.0, parent=package.key)
        sensors, _ = open_zones(find_zones(tree.root), clock)
        (dram.path / "energy_uj").write_text("gone\n")
        with recorded(sensors, html=False) as prof:
            time.sleep(0.2)
    return prof.run.report.flags


def model_alone() -> Flags:
    with recorded([CpuModel(SystemClock())], html=False) as prof:
        time.sleep(0.4)
    return prof.run.report.flags


def compiled() -> Flags:
    with recorded([], html=False) as prof:
        prof.describe(compiled="inductor")
        with prof.phase("compile"):
            pass
    return prof.run.report.flags


def resumed() -> Flags:
    before = ResumedFrom(
        run="before", stage="train", epoch=3, passes=3, energy_j=Quantity.missing(), duration_s=None
    )
    with recorded([], html=False, resumed_from=before) as prof:
        pass
    return prof.run.report.flags


def nested() -> Flags:
    with recorded([], html=False) as prof, recorded([], html=False):
        pass
    return prof.run.report.flags


def with_forgotten() -> Flags:
    with recorded([], html=False) as prof:
        prof.phase("forward")
    return prof.run.report.flags


KILLED = """
import sys, time, energyprof
with energyprof.Profiler("killed", out=sys.argv[1], sensors=[], html=False) as prof:
    time.sleep(1.2)
    print("now", flush=True)
    time.sleep(60)
"""


def killed() -> Flags:
    with tempfile.TemporaryDirectory() as out:
        child = subprocess.Popen([sys.executable, "-c", KILLED, out], stdout=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stdout.readline() == b"now\n"
        child.send_signal(signal.SIGKILL)
        child.communicate()
        return rebuild_report(list_runs(Path(out))[0], html=False).flags


def tracked(fails: bool = False) -> Flags:
    """Return the flags of a run that a stand-in of CodeCarbon's tracker watches too."""

    class OfflineEmissionsTracker:
        final_emissions_data = SimpleNamespace(gpu_energy=0.0, cpu_energy=1e-6, ram_energy=1e-6, duration=1.0)

        def __init__(self, **_: Any) -> None:
            if fails:
                raise RuntimeError("no such hardware")

        def get_detected_hardware(self) -> dict[str, int]:
            return {"gpu_count": 0}

        def start(self) -> None: ...
        def stop(self) -> None: ...

    carbon_intensity(None, None)  # which reads the real package's data, once
    module = ModuleType("codecarbon")
    vars(module).update(OfflineEmissionsTracker=OfflineEmissionsTracker)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "codecarbon", module)
        with recorded([], html=False, codecarbon=True) as prof:
            pass
    return prof.run.report.flags


FLAGS: dict[str, Callable[[], Flags]] = {
    "aliasing": lambda: simulated(CARDS["pascal"].with_sensor(noise_w=1.0)),
    "checkpoint-in-window": troubled_machine,
    "codecarbon-failed": lambda: tracked(fails=True),
    "compiled-steps": compiled,
    "counted-twice": nested,
    "counter-frozen": lambda: simulated(faults=[during(3, 6, kind=FaultKind.COUNTER_FROZEN)]),
    "counter-power-gap": lambda: simulated(ADA.with_sensor(counter_gain=1.12), steady(200, 6.0)),
    "counter-reset": lambda: simulated(faults=[during(5, None, kind=FaultKind.COUNTER_RESET)]),
    "cpu-missing": simulated,
    "domain-incomplete": lambda: simulate_host(steady(180, 3.0), dead=1).report.flags,
    "dram-missing": memory_counter_that_goes_away,
    "estimated-share": model_alone,
    "evaluation-in-window": troubled_machine,
    "foreign-process": troubled_machine,
    "gpu-missing": one_unreadable_gpu_of_two,
    "ill-conditioned": lambda: simulated(load=LOCKED),
    "input-bound": troubled_machine,
    "measured-by-two": tracked,
    "missing-value": simulated,
    "no-gpu-sensor": unreadable_gpu,
    "part-of-run": resumed,
    "partial-record": killed,
    "power-range-assumed": lambda: simulated(
        faults=[Fault(function="nvmlDeviceGetEnforcedPowerLimit", **NOT_SUPPORTED)]
    ),
    "power-range-broken": lambda: simulated(replace(ADA, power_limit_w=150.0), steady(300, 3.0)),
    "recording-problem": flaky_driver,
    "sampling-gap": lambda: simulated(faults=[during(4, 6, code=NvmlCode.UNKNOWN)]),
    "sensor-delay": lambda: simulated(ADA.with_sensor(counter_ns=0, lag_ns=9_000_000), IRREGULAR),
    "sensor-missing": unreadable_gpu,
    "steps-shorter-than-refresh": simulated,
    "temperature-drift": troubled_machine,
    "throttled": troubled_machine,
    "unused-mark": with_forgotten,
    "window-too-short": lambda: simulated(load=training(TRAINING_STEP, 0.5, name="short")),
}


@pytest.mark.parametrize("code", FLAGS)
def test_a_run_that_is_so_is_said_to_be_so(code: str) -> None:
    flags = FLAGS[code]()
    told = [flag for flag in flags if flag.code == code]
    assert told, f"only {sorted({flag.code for flag in flags})}"


def test_a_run_without_trouble_is_told_of_none() -> None:
    harmless = {"missing-value", "cpu-missing", "steps-shorter-than-refresh"}
    assert {flag.code for flag in simulated()} <= harmless


@pytest.mark.parametrize("period_ns", [100_000_000, 100_000_300, 100_003_000])
def test_phases_that_only_errors_of_time_tell_apart_are_not_said_to_be_known(period_ns: int) -> None:
    """Steps locked to the refresh to within 0 to 30 millionths, on a sensor that is perfectly regular."""
    card = ADA.with_sensor(refresh_ns=period_ns, counter_ns=period_ns)
    run = simulate(card, training(TRAINING_STEP, 20.0, name="locked steps"))
    assert "ill-conditioned" in {flag.code for flag in run.report.flags}
    assert all(modelled_intervals(run))
    assert len(modelled_intervals(run)) == 2


def test_every_flag_in_the_source_is_among_them() -> None:
    package = Path(energyprof.__file__).parent
    sources = [*(package / "analysis").glob("*.py"), *(package / "recording").glob("*.py")]
    text = "\n".join(source.read_text() for source in sources)
    named = set(re.findall(r'(?:code=|note\()"([a-z-]+)"', text))
    assert len(named) >= 23
    assert named <= set(FLAGS)
