from __future__ import annotations

import numpy as np
import pytest

from energyprof.analysis.statistics import welch_log_ratio
from energyprof.errors import UsageError
from energyprof.gate.plan import observed_noise, plan_runs, plan_to_json, render_plan

from .conftest import RunMaker


def test_the_planned_runs_let_unchanged_code_pass_as_often_as_stated() -> None:
    plan = plan_runs("energy_j", 0.05, 0.03)
    assert plan.runs_80 is not None
    rng, passed = np.random.default_rng(0), 0
    for _ in range(1500):
        sides = [list(np.exp(rng.normal(0, 0.03, plan.runs_80))) for _ in range(2)]
        passed += welch_log_ratio(*sides).upper(0.05) <= 1.05
    assert passed / 1500 == pytest.approx(0.82, abs=0.04)


def test_more_noise_and_a_smaller_margin_cost_more_runs() -> None:
    def runs(margin: float, noise: float, between: float = 0.0) -> int:
        return plan_runs("energy_j", margin, noise, between=between).runs_80 or 10**6

    assert runs(0.05, 0.01) <= runs(0.05, 0.03) < runs(0.02, 0.03)
    assert runs(0.05, 0.03) <= runs(0.05, 0.03, 0.01) < runs(0.05, 0.03, 0.05) == 10**6


def test_noise_that_more_runs_do_not_reduce_is_said() -> None:
    told = "no number of runs a side up to 1000 lets unchanged code pass in 95 % of checks: the noise is"
    assert told in render_plan(plan_runs("energy_j", 0.02, 0.01, between=0.05))
    assert told in render_plan(plan_runs("energy_j", 0.05, 0.6))  # of one sitting: none is between sittings


def test_a_plan_from_wide_noise_has_no_exponents() -> None:
    table = render_plan(plan_runs("energy_j", 0.05, 0.6)).partition("runs a side   ")[2]
    assert "e+" not in table
    assert "708 %" in table


def test_a_plan_is_a_table_and_json() -> None:
    plan = plan_runs("energy_j", 0.05, 0.02)
    assert "unchanged code passes in 80 % of checks with" in render_plan(plan)
    data = plan_to_json(plan)
    assert (data["schema"], data["runs_80"], len(data["rows"])) == ("energyprof.plan/1", plan.runs_80, 5)


@pytest.mark.parametrize(("margin", "noise"), [(0.0, 0.01), (-0.1, 0.01), (20.0, 0.01), (0.05, 2.0)])
def test_margins_and_noises_that_cannot_be_meant_are_refused(margin: float, noise: float) -> None:
    with pytest.raises(UsageError):
        plan_runs("energy_j", margin, noise)


def test_noise_is_observed_in_runs_of_one_sitting(make: RunMaker) -> None:
    noise = observed_noise(make.side("x", 30, cv=0.02), "energy_j")
    assert noise.within == pytest.approx(0.02, rel=0.3)
    with pytest.raises(UsageError, match="show no noise"):
        observed_noise(make.side("x", 1), "energy_j")
    with pytest.raises(UsageError, match="device: Test CPU / Other CPU"):
        observed_noise([*make.side("x", 2), make.run(name="y", cpu="Other CPU")], "energy_j")
