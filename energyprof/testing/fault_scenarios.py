"""Training while the driver misbehaves: what is not affected must be right, the rest must say so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from energyprof.testing.cards import CARDS
from energyprof.testing.faults import FOR_EVER_NS, Fault, FaultKind, NvmlCode
from energyprof.testing.loads import TRAINING_STEP, Load, training
from energyprof.testing.promises import (
    ScenarioResult,
    bounds_contain,
    run_energy_covered,
    run_energy_within,
)
from energyprof.testing.simulation import Simulation, simulate

__all__ = ["FAULT_CASES", "FaultCase", "faults"]

_SECOND_NS: Final = 10**9
_IDLE_S: Final = 2.0
_RUN_S: Final = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultCase:
    """One way to go wrong.

    Attributes:
        name: in words.
        faults: what goes wrong; times since recording started (the window opens 2 s later).
        missing: functions that the driver does not have.
        sensor: changes of the card's sensor.
        within: how right the run's energy must be; None where only its interval can be.
        told: whether something must be said of it.
    """

    name: str
    faults: tuple[Fault, ...] = ()
    missing: tuple[str, ...] = ()
    sensor: dict[str, object]
    within: float | None = 0.01
    told: bool = True


def _case(name: str, *faults: Fault, missing: tuple[str, ...] = (), **more: object) -> FaultCase:
    known = FaultCase(name=name, faults=faults, missing=missing, sensor={})
    return replace(known, **more)  # type: ignore[arg-type]


def _during(start_s: float, end_s: float | None, fault: Fault) -> Fault:
    until_ns = FOR_EVER_NS if end_s is None else int(end_s * _SECOND_NS)
    return replace(fault, from_ns=int(start_s * _SECOND_NS), until_ns=until_ns)


_COUNTER_FUNCTIONS: Final = ("nvmlDeviceGetTotalEnergyConsumption", "field:83")
_RESET: Final = Fault(kind=FaultKind.COUNTER_RESET)
_FROZEN: Final = Fault(kind=FaultKind.COUNTER_FROZEN)

FAULT_CASES: Final = (
    _case(
        "no energy counter",
        *(Fault(function=f, code=NvmlCode.NOT_SUPPORTED) for f in _COUNTER_FUNCTIONS),
        within=0.02,
        told=False,
    ),
    _case(
        "no field values", Fault(function="nvmlDeviceGetFieldValues", code=NvmlCode.NOT_SUPPORTED), told=False
    ),
    _case("a driver without nvmlDeviceGetFieldValues", missing=("nvmlDeviceGetFieldValues",), told=False),
    _case(
        "a driver with nvmlDeviceGetPowerUsage only",
        missing=("nvmlDeviceGetFieldValues", "nvmlDeviceGetTotalEnergyConsumption"),
        within=0.02,
        told=False,
    ),
    _case("stamps of the call, not of the refresh", sensor={"stamp_at_call": True}, told=False),
    _case("time stamps that are zero", Fault(kind=FaultKind.BAD_STAMPS), told=False),
    _case("counter reset at 6 s", _during(6, None, _RESET)),
    _case("counter reset three times", *(_during(at, None, _RESET) for at in (5, 7.33, 11.02))),
    _case("counter stands still for 3 s and catches up", _during(6, 9, _FROZEN)),
    _case("counter stands still from 8 s on", _during(8, None, _FROZEN)),
    _case("every call fails for 2 s (unknown error)", _during(6, 8, Fault(code=NvmlCode.UNKNOWN))),
    _case("every call fails for 2 s (no permission)", _during(6, 8, Fault(code=NvmlCode.NO_PERMISSION))),
    _case(
        "driver reloaded: 1 s away, then counting from zero",
        _during(7, 8, Fault(code=NvmlCode.UNINITIALIZED)),
        _during(8, None, _RESET),
    ),
    _case("3 of 10 calls fail", Fault(probability=0.3, seed=11, from_ns=_SECOND_NS)),
    _case(
        "power cannot be read from 6 s on",
        *(_during(6, None, Fault(function=f, code=NvmlCode.UNKNOWN)) for f in ("field:185", "field:186")),
    ),
    _case(
        "counter cannot be read from 8 s on",
        *(_during(8, None, Fault(function=f, code=NvmlCode.UNKNOWN)) for f in _COUNTER_FUNCTIONS),
        within=None,
    ),
    _case("calls take 50 ms", Fault(kind=FaultKind.SLOW, delay_ns=50_000_000)),
    _case(
        "1 of 20 calls takes 300 ms",
        Fault(kind=FaultKind.SLOW, delay_ns=300_000_000, probability=0.05, seed=3),
        within=None,
    ),
    _case("GPU lost at 8 s", _during(8, None, Fault(code=NvmlCode.GPU_IS_LOST)), within=None),
)


def faults() -> Iterator[ScenarioResult]:
    """Yield what becomes of a run's energy, its bounds and its reasons under each fault."""
    load = training(TRAINING_STEP, _RUN_S, name="50 ms steps", jitter=0.02, seed=5)
    yield from _stalls(load)
    for case in FAULT_CASES:
        card = CARDS["ada"].with_sensor(**_specimen(), **case.sensor)
        run = simulate(card, load, faults=case.faults, missing=case.missing, idle_s=_IDLE_S, seed=5)
        sensor = "ada"
        if case.within is None:
            yield run_energy_covered(run, case.name, sensor)
        else:
            yield run_energy_within(run, case.name, sensor, case.within)
        yield bounds_contain(run, case.name, sensor)
        if case.told:
            yield _reason_given(run, case, sensor)


def _stalls(load: Load) -> Iterator[ScenarioResult]:
    """Yield runs in which the sampling thread does not get to run for 4 s."""
    for name in ("ada", "volta"):
        run = simulate(CARDS[name].with_sensor(noise_w=1.0), load, stall_s=(6.0, 10.0))
        yield run_energy_within(run, "sampling thread held up for 4 s", name, 0.01)
        yield bounds_contain(run, "sampling thread held up for 4 s", name)
    run = simulate(CARDS["pascal"].with_sensor(noise_w=1.0), load, stall_s=(6.0, 10.0))
    yield run_energy_covered(run, "sampling thread held up for 4 s", "pascal")
    yield bounds_contain(run, "sampling thread held up for 4 s", "pascal")


def _specimen() -> dict[str, object]:
    return {"phase_ns": 41_000_000, "counter_phase_ns": 63_000_000, "jitter_ns": 300_000, "noise_w": 1.0}


def _reason_given(run: Simulation, case: FaultCase, sensor: str) -> ScenarioResult:
    return ScenarioResult(
        scenario=case.name,
        sensor=sensor,
        promise="the report says what went wrong",
        unit="",
        kept=bool(run.problems),
        note="; ".join(run.problems),
    )
