"""The scenario suite: every architecture's sensor under loads whose energy is known, in virtual time.

Each scenario yields one :class:`~energyprof.testing.promises.ScenarioResult` for each promise it checks;
``energyprof doctor --prove`` prints them. Seeds are fixed: two runs give the same figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from energyprof.testing.cards import CARDS, Card
from energyprof.testing.fault_scenarios import faults
from energyprof.testing.loads import (
    FOUR_PHASES,
    TRAINING_STEP,
    Load,
    random_training,
    square_wave,
    steady,
    training,
)
from energyprof.testing.promises import (
    ScenarioResult,
    bounds_contain,
    call_rate,
    flagged,
    modelled_intervals,
    phases_resolved,
    run_energy_covered,
    run_energy_within,
    steps_resolved,
)
from energyprof.testing.simulation import simulate, simulate_host

__all__ = ["SCENARIOS", "prove"]

_MS: Final = 1_000_000
_RUN_S: Final = 12.0
_SCHEDULES: Final = 200
_COUNTED: Final = tuple(name for name, card in CARDS.items() if card.sensor.counter_ns)


def prove(tell: Callable[[ScenarioResult], None] | None = None) -> list[ScenarioResult]:
    """Run every scenario.

    Args:
        tell: called with each result as soon as it is there.

    Raises:
        DeviceError: there is no C compiler to make the stand-in driver with.
    """
    results = []
    for scenario in SCENARIOS:
        for result in scenario():
            results.append(result)
            if tell is not None:
                tell(result)
    return results


def counters() -> Iterator[ScenarioResult]:
    """Yield the energy of whole runs, and all bounds, wherever there is a counter."""
    for seed, name in enumerate(_COUNTED):
        card, sensor = as_built(CARDS[name], seed), f"{name}, counter"
        for load in _loads():
            run = simulate(card, load, seed=seed)
            yield run_energy_within(run, load.name, sensor, 0.01)
            yield bounds_contain(run, load.name, sensor)
        if card.sensor.refresh_ns == 100 * _MS:
            yield call_rate(run, load.name, sensor, 25.0)


def specimens() -> Iterator[ScenarioResult]:
    """Yield cards that differ from their kind, as single cards do, and a machine of two."""
    periods = {
        "a100 of 93 ms and 17 ms, counter": (93, 17),
        "a100 of 109 ms and 23 ms, counter": (109, 23),
    }
    for seed, (sensor, (period_ms, window_ms)) in enumerate(periods.items()):
        card = as_built(CARDS["a100"], seed).with_sensor(
            refresh_ns=period_ms * _MS, counter_ns=period_ms * _MS, window_ns=window_ms * _MS
        )
        for load in _loads():
            run = simulate(card, load, seed=seed)
            yield run_energy_within(run, load.name, sensor, 0.01)
            yield bounds_contain(run, load.name, sensor)
    for load in _loads():
        run = simulate(as_built(CARDS["ada"], 4), load, devices=2)
        yield run_energy_within(run, load.name, "two ada, counter", 0.01)
        yield bounds_contain(run, load.name, "two ada, counter")


def host() -> Iterator[ScenarioResult]:
    """Yield two CPU packages with DRAM, whose counters wrap every second or two."""
    loads = (
        steady(180, _RUN_S),
        training([("train", 0.035, 200.0), ("data", 0.015, 60.0)], _RUN_S, name="50 ms steps", jitter=0.02),
    )
    for load in loads:
        run = simulate_host(load)
        yield run_energy_within(run, load.name, "RAPL: two packages, DRAM", 0.01)
        yield bounds_contain(run, load.name, "RAPL: two packages, DRAM")


def power_only() -> Iterator[ScenarioResult]:
    """Yield the energy of whole runs without a counter, where readings see all the time."""
    kinds = {
        "turing, instant power 100/100": CARDS["turing"].with_sensor(counter_ns=0),
        "ada, instant power 100/100": CARDS["ada"].with_sensor(counter_ns=0),
        "hopper, 1 s average": CARDS["hopper"].with_sensor(counter_ns=0),
        "ampere, nvmlDeviceGetPowerUsage (1 s average)": CARDS["ampere"].with_sensor(
            counter_ns=0, has_fields=False
        ),
    }
    for seed, (sensor, card) in enumerate(kinds.items()):
        for load in _loads():
            run = simulate(as_built(card, seed), load, seed=seed)
            yield run_energy_within(run, load.name, sensor, 0.02)
            yield bounds_contain(run, load.name, sensor)


def part_time() -> Iterator[ScenarioResult]:
    """Yield runs on sensors that do not see all the time, without a counter: the interval must say so."""
    kinds = {
        "pascal, instant power 20/10": CARDS["pascal"],
        "a100, instant power 100/25": CARDS["a100"].with_sensor(counter_ns=0),
    }
    for seed, (sensor, card) in enumerate(kinds.items()):
        for load in (*_loads(), square_wave(350, 80, 0.1, _RUN_S, duty=0.25)):
            run = simulate(as_built(card, seed), load, seed=seed)
            yield run_energy_covered(run, load.name, sensor)
            yield bounds_contain(run, load.name, sensor)
            yield flagged(run, load.name, sensor, "aliasing")


def steps() -> Iterator[ScenarioResult]:
    """Yield the energy of 50 ms steps under a 100 ms counter."""
    for seed, name in enumerate(name for name in _COUNTED if CARDS[name].sensor.counter_ns == 100 * _MS):
        for jitter in (0.0, 0.02):
            load = training(TRAINING_STEP, _RUN_S, name=_steps_name(jitter), jitter=jitter, seed=seed)
            run = simulate(as_built(CARDS[name], seed), load, seed=seed)
            yield steps_resolved(run, load.name, f"{name}, counter", 0.10)


def phases() -> Iterator[ScenarioResult]:
    """Yield the power of four phases in a step of 60 ms, with 5 W of sensor noise, over 60 s."""
    for jitter in (0.03, 0.0):
        locked = "" if jitter else ", locked to the refresh"
        load = training(FOUR_PHASES, 60.0, name=f"four phases in 60 ms{locked}", jitter=jitter, seed=1)
        card = as_built(CARDS["hopper"], 3).with_sensor(noise_w=5.0)
        yield from phases_resolved(simulate(card, load, seed=3), load.name, "hopper, counter", 0.05)


def intervals() -> Iterator[ScenarioResult]:
    """Yield how often modelled 95 % intervals hold the truth, over the phases of 200 random schedules."""
    held: list[bool] = []
    for seed in range(_SCHEDULES):
        card = as_built(CARDS[_COUNTED[seed % len(_COUNTED)]], seed)
        held += modelled_intervals(simulate(card, random_training(seed, 20.0), seed=seed))
    share = sum(held) / len(held)
    yield ScenarioResult(
        scenario=f"{len(held)} phases of {_SCHEDULES} random schedules",
        sensor="every counter",
        promise="95 % intervals hold 92 to 98 % of phases",
        unit="1",
        reported=share,
        coverage=share,
        kept=0.92 <= share <= 0.98,
    )


def as_built(card: Card, seed: int) -> Card:
    """Return one specimen of a card: refreshes at times of its own, a little jitter, 1 W of noise.

    Its power limit is at least 400 W, so that every load fits.
    """
    period_ns = card.sensor.refresh_ns
    return replace(
        card.with_sensor(
            phase_ns=(37 + 61 * seed) * _MS % period_ns,
            counter_phase_ns=(37 + 61 * seed) * _MS % period_ns + period_ns // 7,
            jitter_ns=300_000,
            noise_w=1.0,
            seed=seed,
        ),
        power_limit_w=max(card.power_limit_w, 400.0),
    )


def _loads() -> tuple[Load, ...]:
    return (
        steady(300, _RUN_S),
        square_wave(350, 80, 1.7, _RUN_S),
        training(TRAINING_STEP, _RUN_S, name=_steps_name(0.02), jitter=0.02, seed=7),
    )


def _steps_name(jitter: float) -> str:
    return "50 ms steps 350/80 W" + (f", {jitter:.0%} jitter" if jitter else "")


SCENARIOS: Final[tuple[Callable[[], Iterator[ScenarioResult]], ...]] = (
    counters,
    specimens,
    host,
    power_only,
    part_time,
    steps,
    phases,
    intervals,
    faults,
)
