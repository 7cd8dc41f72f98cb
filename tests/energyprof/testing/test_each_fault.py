"""Each call and each return code that can fail, one by one: what is not affected is right, the rest told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from energyprof.analysis.domains import energy_curves
from energyprof.record.model import Provenance
from energyprof.sensors.discovery import discover
from energyprof.testing.cards import CARDS
from energyprof.testing.faults import Fault, FaultKind, NvmlCode
from energyprof.testing.loads import TRAINING_STEP, training
from energyprof.testing.nvml import StandInNvml
from energyprof.testing.simulation import Simulation, simulate

CARD = CARDS["ada"].with_sensor(phase_ns=41_000_000, counter_phase_ns=63_000_000, noise_w=1.0)
LOAD = training(TRAINING_STEP, 8.0, name="steps", jitter=0.05)  # the window opens at 2 s
STATE = [(0.0, lambda _: None)]  # with an event the device's state is read too
FAULT_S = 6.0


def functions() -> Iterator[str]:
    """Yield the functions that a run calls, from the first look at the machine to the end."""
    with StandInNvml([CARD]) as nvml, nvml.loaded():
        for sensor in discover(nvml.clock, environment={}, powercap=Path("/nowhere")).sensors:
            sensor.read()
            sensor.close()
        yield from sorted(nvml.calls_by_function())


FUNCTIONS = tuple(functions())


def faulty(**fault: Any) -> Simulation:
    failing = Fault(from_ns=int(FAULT_S * 1e9), **fault)
    return simulate(CARD, LOAD, faults=[failing], events=STATE)


def check_figures(run: Simulation) -> None:
    """Hold the run against truth: all of it by its bounds, what came before the fault within 1 %."""
    energy = run.report.totals.energy_by_domain_j["gpu:0"]
    assert energy.value
    assert energy.low is not None
    assert energy.high is not None
    assert energy.low <= run.true_energy_j() <= energy.high
    curve = energy_curves(run.trace, run.sensors)["gpu:0"]
    assert curve is not None
    before_ns = np.array([run.trace.window_ns[0]]), np.array([int((FAULT_S - 0.5) * 1e9)])
    figures, truth_j = curve.energy_between(*before_ns), run.true_energies_j(*before_ns)
    assert figures.value == pytest.approx(truth_j, rel=0.01)
    assert figures.low <= truth_j <= figures.high


def test_a_run_calls_what_is_tested_here() -> None:
    assert {"nvmlInit", "nvmlDeviceGetFieldValues", "field:83", "nvmlDeviceGetMemoryInfo"} <= set(FUNCTIONS)
    assert len(FUNCTIONS) > 15


@pytest.mark.parametrize("code", [c for c in NvmlCode if c is not NvmlCode.GPU_IS_LOST])
def test_whatever_every_call_returns_from_a_moment_on(code: NvmlCode) -> None:
    run = faulty(code=code)
    check_figures(run)
    assert run.problems
    assert not any("NVML error" in problem for problem in run.problems)
    assert "sampling-gap" in {flag.code for flag in run.report.flags}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_whichever_call_stops_being_supported(function: str) -> None:
    check_figures(faulty(function=function, code=NvmlCode.NOT_SUPPORTED))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_whichever_call_takes_50_ms(function: str) -> None:
    run = faulty(kind=FaultKind.SLOW, delay_ns=50_000_000, function=function)
    check_figures(run)
    assert run.report.totals.energy_j.value == pytest.approx(run.true_energy_j(), rel=0.01)


@pytest.mark.parametrize(
    "code",
    [NvmlCode.NOT_SUPPORTED, NvmlCode.NO_PERMISSION, NvmlCode.FUNCTION_NOT_FOUND, NvmlCode.GPU_IS_LOST],
)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_whichever_call_is_refused_from_the_start(function: str, code: NvmlCode) -> None:
    with StandInNvml([CARD]) as nvml, nvml.loaded():
        nvml.fault(Fault(function=function, code=code))
        found = discover(nvml.clock, environment={}, powercap=Path("/nowhere"))
        energy = [s for s in found.sensors if s.info.source in (Provenance.COUNTER, Provenance.SAMPLED)]
        for sensor in found.sensors:
            sensor.close()
    told = [problem for problem in found.problems if "GPU" in problem or "gpu:0" in problem]
    assert energy or told
