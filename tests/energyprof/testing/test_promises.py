"""Every check must be able to fail: each is given a run that breaks its promise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from energyprof.record.model import Provenance
from energyprof.testing.cards import CARDS
from energyprof.testing.faults import Fault, NvmlCode
from energyprof.testing.loads import TRAINING_STEP, training
from energyprof.testing.promises import (
    bounds_contain,
    call_rate,
    flagged,
    modelled_intervals,
    phases_resolved,
    run_energy_covered,
    run_energy_within,
    steps_resolved,
)
from energyprof.testing.simulation import Simulation, simulate
from energyprof.testing.true_power import TruePower

LOAD = training(TRAINING_STEP, 10.0, name="steps", jitter=0.02)


@pytest.fixture(scope="module")
def run() -> Simulation:
    return simulate(CARDS["ada"], LOAD)


def scaled(run: Simulation, factor: float) -> Simulation:
    """Return the run with another truth than the one it was recorded from."""
    (truth,) = run.truths
    power_mw = tuple(round(factor * power) for power in truth.power_mw)
    fields = {"start_ns": truth.start_ns, "power_mw": power_mw, "end_ns": truth.end_ns}
    return replace(run, truths=(TruePower(**fields),))


def test_a_run_is_within_its_limit_only_if_its_energy_is(run: Simulation) -> None:
    result = run_energy_within(run, "steps", "ada", 0.01)
    assert result.kept
    assert abs(result.error or 1.0) < 0.01
    wrong = run_energy_within(scaled(run, 0.97), "steps", "ada", 0.01)
    assert not wrong.kept
    assert wrong.error == pytest.approx(1 / 0.97 - 1, abs=0.01)


def test_an_energy_within_its_limit_but_outside_of_its_bounds_breaks_the_promise(run: Simulation) -> None:
    result = run_energy_within(scaled(run, 0.97), "steps", "ada", 0.05)
    assert not result.kept
    assert result.coverage == 0.0
    assert "outside" in result.note


def test_an_interval_must_hold_the_truth(run: Simulation) -> None:
    assert run_energy_covered(run, "steps", "ada").kept
    assert not run_energy_covered(scaled(run, 1.5), "steps", "ada").kept


def test_an_energy_that_is_missing_breaks_the_promise() -> None:
    blind = simulate(
        CARDS["ada"], LOAD, faults=[Fault(code=NvmlCode.UNKNOWN, function=None, from_ns=1, seed=1)]
    )
    result = run_energy_covered(blind, "steps", "ada")
    assert blind.report.totals.energy_j.source is Provenance.MISSING
    assert not result.kept
    assert "missing" in result.note


def test_bounds_must_hold_every_truth(run: Simulation) -> None:
    result = bounds_contain(run, "steps", "ada")
    assert result.kept
    assert result.coverage == 1.0
    wrong = bounds_contain(scaled(run, 0.5), "steps", "ada")
    assert not wrong.kept
    assert "outside" in wrong.note


def test_steps_must_be_near_their_truth_and_not_zero(run: Simulation) -> None:
    assert steps_resolved(run, "steps", "ada", 0.10).kept
    assert not steps_resolved(run, "steps", "ada", 1e-6).kept


def test_phases_must_be_near_their_truth_or_covered(run: Simulation) -> None:
    wrong = phases_resolved(scaled(run, 3.0), "steps", "ada", 0.05)
    assert len(wrong) == 2
    assert not any(result.kept for result in wrong)
    assert not any(modelled_intervals(scaled(run, 3.0)))


def test_calls_have_a_limit(run: Simulation) -> None:
    assert call_rate(run, "steps", "ada", 25.0).kept
    assert not call_rate(run, "steps", "ada", 5.0).kept


def test_a_flag_must_be_in_the_report(run: Simulation) -> None:
    assert flagged(run, "steps", "ada", "cpu-missing").kept
    assert not flagged(run, "steps", "ada", "aliasing").kept
