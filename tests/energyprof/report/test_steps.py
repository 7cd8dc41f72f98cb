from __future__ import annotations

import numpy as np
import pytest

from energyprof.analysis.attribution import attribute
from energyprof.record.model import Report
from energyprof.record.trace import Trace
from energyprof.report.steps import StepView, step_view

Runs = dict[str, tuple[Report, Trace]]


def view_of(run: tuple[Report, Trace]) -> StepView | None:
    report, trace = run
    return step_view(report, trace, attribute(trace, report.sensors))


def test_the_dearest_steps_are_the_dearest_and_say_what_they_are_made_of(runs: Runs) -> None:
    view = view_of(runs["gpu"])
    assert view is not None
    assert view.energy_j is not None
    best = np.sort(view.energy_j)[::-1][:10]
    assert [s.energy_j for s in view.dearest] == pytest.approx(best.tolist())
    for step in view.dearest:
        assert sum(part for _, part in step.parts) == pytest.approx(1.0)
        assert step.times_median >= 1
        assert step.parts[0][0] == "train/data"


def test_without_energy_steps_are_ranked_by_time(runs: Runs) -> None:
    view = view_of(runs["no-sensor"])
    assert view is not None
    assert not view.by_energy
    assert view.dearest[0].energy_j is None
    assert view.dearest[0].duration_s == view.duration_s.max()


def test_warm_up_stands_apart(runs: Runs) -> None:
    view = view_of(runs["gpu"])
    assert view is not None
    assert view.warm_up == 10
    assert len(view.settled(view.duration_s)) == len(view.duration_s) - 10


def test_one_step_is_no_warm_up(runs: Runs) -> None:
    view = view_of(runs["one-step"])
    assert view is not None
    assert view.warm_up == 0
    assert len(view.dearest) == 1


def test_no_steps_give_no_view(runs: Runs) -> None:
    assert view_of(runs["zero-steps"]) is None
