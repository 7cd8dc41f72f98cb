"""The promises of this package as checks of a simulated run against its truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from energyprof.analysis.domains import energy_curves
from energyprof.record.model import Provenance, Quantity
from energyprof.testing.simulation import Simulation

__all__ = [
    "ScenarioResult",
    "bounds_contain",
    "call_rate",
    "flagged",
    "modelled_intervals",
    "phases_resolved",
    "run_energy_covered",
    "run_energy_within",
    "steps_resolved",
]

Floats = NDArray[np.float64]
_ROUNDING_J: Final = 1e-6
_WINDOWS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioResult:
    """One promise in one scenario.

    Attributes:
        scenario: the load, and what went wrong if anything did.
        sensor: what it was measured with.
        promise: what must hold, in words.
        truth: the true value, in ``unit``; of many (phases, steps) their mean.
        reported: what the package says.
        low: the lower end of the reported interval.
        high: its upper end.
        error: (reported - truth) / truth, or the relative RMS error of many.
        coverage: the share of the reported intervals that hold their truth.
        kept: whether the promise was kept.
        note: what broke it, or what else is to be known.
    """

    scenario: str
    sensor: str
    promise: str
    unit: str = "J"
    truth: float | None = None
    reported: float | None = None
    low: float | None = None
    high: float | None = None
    error: float | None = None
    coverage: float | None = None
    kept: bool
    note: str = ""


def run_energy_within(run: Simulation, scenario: str, sensor: str, limit: float) -> ScenarioResult:
    """Check that the energy of the window is right within a share, and its interval holds the truth."""
    truth_j, energy = _run_energy(run)
    error = _error(energy.value, truth_j)
    covered = _covers(energy, truth_j)
    return ScenarioResult(
        scenario=scenario,
        sensor=sensor,
        promise=f"run energy within {limit:.0%}",
        truth=truth_j,
        reported=energy.value,
        low=energy.low,
        high=energy.high,
        error=error,
        coverage=float(covered),
        kept=error is not None and abs(error) <= limit and covered,
        note="" if covered else "the truth lies outside of the reported bounds",
    )


def run_energy_covered(run: Simulation, scenario: str, sensor: str) -> ScenarioResult:
    """Check that the energy of the window has an interval that holds the truth, and is not zero."""
    truth_j, energy = _run_energy(run)
    return ScenarioResult(
        scenario=scenario,
        sensor=sensor,
        promise="interval holds the run's energy, which is not zero",
        truth=truth_j,
        reported=energy.value,
        low=energy.low,
        high=energy.high,
        error=_error(energy.value, truth_j),
        coverage=float(_covers(energy, truth_j)),
        kept=_covers(energy, truth_j) and bool(energy.value),
        note="" if energy.source is not Provenance.MISSING else "the energy is missing",
    )


def bounds_contain(run: Simulation, scenario: str, sensor: str) -> ScenarioResult:
    """Check that guaranteed bounds hold the truth of every step, every phase and 200 random windows."""
    steps = run.steps()
    inside = [
        _inside(steps["energy_low_j"], steps["energy_high_j"], steps["truth_j"]),
        _inside(*_random_windows(run)),
        np.array([_covers(energy, truth) for energy, truth in _phases(run)], bool),
    ]
    every = np.concatenate(inside)
    names = ("steps", "windows", "phases")
    broken = [
        f"{int((~held).sum())} {name}" for name, held in zip(names, inside, strict=True) if not held.all()
    ]
    return ScenarioResult(
        scenario=scenario,
        sensor=sensor,
        promise="bounds hold every step, phase and window",
        truth=float(steps["truth_j"].mean()),
        reported=float(np.mean(steps["energy_j"])),
        coverage=float(every.mean()),
        kept=bool(every.all()),
        note=f"outside: {', '.join(broken)} of {every.size}" if broken else "",
    )


def steps_resolved(run: Simulation, scenario: str, sensor: str, limit: float) -> ScenarioResult:
    """Check the modelled energy of each step: its RMS error, and that none is zero."""
    steps = run.steps()
    modelled, truth = steps["energy_modelled_j"], steps["truth_j"]
    error = float(np.sqrt(np.mean((modelled - truth) ** 2)) / truth.mean())
    zeros = int(np.sum(~(modelled > 0)))
    held = _inside(steps["energy_modelled_low_j"], steps["energy_modelled_high_j"], truth)
    return ScenarioResult(
        scenario=scenario,
        sensor=sensor,
        promise=f"RMS error of a step at most {limit:.0%}, no step zero",
        truth=float(truth.mean()),
        reported=float(modelled.mean()),
        error=error,
        coverage=float(held.mean()),
        kept=error <= limit and zeros == 0,
        note=f"{zeros} steps are reported as zero" if zeros else "",
    )


def phases_resolved(run: Simulation, scenario: str, sensor: str, limit: float) -> list[ScenarioResult]:
    """Check the modelled power of each phase: within a share of the truth, or covered by its interval."""
    truths_j, results = run.true_phases_j(), []
    for phase in run.report.phases:
        if truths_j[phase.name] <= 0 or phase.name == "unattributed":
            continue
        modelled, truth_w = phase.modelled_energy_j, truths_j[phase.name] / phase.seconds
        error = _error(modelled.value, truths_j[phase.name])
        covered = _covers(modelled, truths_j[phase.name])
        results.append(
            ScenarioResult(
                scenario=f"{scenario}: {phase.name}",
                sensor=sensor,
                promise=f"phase power within {limit:.0%} or in its interval",
                unit="W",
                truth=truth_w,
                reported=_per(modelled.value, phase.seconds),
                low=_per(modelled.low, phase.seconds),
                high=_per(modelled.high, phase.seconds),
                error=error,
                coverage=float(covered),
                kept=error is not None and (abs(error) <= limit or covered),
            )
        )
    return results


def call_rate(run: Simulation, scenario: str, sensor: str, limit: float) -> ScenarioResult:
    """Check how often the driver is called."""
    return ScenarioResult(
        scenario=scenario,
        sensor=sensor,
        promise=f"at most {limit:g} NVML calls a second",
        unit="1/s",
        reported=run.calls_per_second,
        kept=run.calls_per_second <= limit,
    )


def flagged(run: Simulation, scenario: str, sensor: str, code: str) -> ScenarioResult:
    """Check that the report carries a flag."""
    flags = [flag for flag in run.report.flags if flag.code == code]
    return ScenarioResult(
        scenario=scenario,
        sensor=sensor,
        promise=f"flag '{code}' in the report",
        unit="",
        kept=bool(flags),
        note=flags[0].message if flags else "",
    )


def modelled_intervals(run: Simulation) -> list[bool]:
    """Tell for each phase whether its modelled 95 % interval holds the truth."""
    truths_j = run.true_phases_j()
    return [
        _covers(phase.modelled_energy_j, truths_j[phase.name])
        for phase in run.report.phases
        if truths_j[phase.name] > 0 and phase.name != "unattributed"
    ]


def _run_energy(run: Simulation) -> tuple[float, Quantity]:
    return run.true_energy_j(), run.report.totals.energy_j


def _phases(run: Simulation) -> list[tuple[Quantity, float]]:
    truths_j = run.true_phases_j()
    return [(phase.energy_j, truths_j[phase.name]) for phase in run.report.phases]


def _random_windows(run: Simulation) -> tuple[Floats, Floats, Floats]:
    """Return low, high and true energy of random windows of 1 ms up to the whole run."""
    open_ns, close_ns = run.trace.window_ns
    random = np.random.default_rng(close_ns)
    length = np.exp(random.uniform(np.log(1e6), np.log(close_ns - open_ns), _WINDOWS)).astype(np.int64)
    start = open_ns + (random.random(_WINDOWS) * (close_ns - open_ns - length)).astype(np.int64)
    curves = energy_curves(run.trace, run.sensors).values()
    figures = [curve.energy_between(start, start + length) for curve in curves if curve is not None]
    low, high = (np.sum([getattr(f, side) for f in figures], axis=0) for side in ("low", "high"))
    return low, high, run.true_energies_j(start, start + length)


def _inside(low: Floats, high: Floats, truth: Floats) -> NDArray[np.bool_]:
    return np.asarray((low <= truth + _ROUNDING_J) & (truth <= high + _ROUNDING_J))


def _covers(quantity: Quantity, truth_j: float) -> bool:
    if quantity.low is None or quantity.high is None:
        return False
    return quantity.low - _ROUNDING_J <= truth_j <= quantity.high + _ROUNDING_J


def _error(reported: float | None, truth: float) -> float | None:
    return None if reported is None else reported / truth - 1.0


def _per(value: float | None, seconds: float) -> float | None:
    return None if value is None else value / seconds
