"""A run that continues another says so, and adds up only what is known of both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from energyprof.analysis.comparability import Strictness, comparable_groups, differences
from energyprof.analysis.continuation import together
from energyprof.analysis.summary import summarise
from energyprof.record.model import Provenance, Quantity, Report, ResumedFrom, RunStatus, Severity
from energyprof.record.schema import parse_report, render_report

BEFORE = ResumedFrom(
    run="20260101-000000-mf-s0-ab12",
    stage="layer2",
    epoch=1,
    passes=6,
    energy_j=Quantity(value=50.0, low=40.0, high=60.0, source=Provenance.SAMPLED),
    duration_s=4.0,
)


@pytest.fixture
def report_of(sim):
    def build(before: ResumedFrom | None = BEFORE, status: RunStatus = RunStatus.COMPLETED) -> Report:
        truth = sim.Truth(np.array([0.0]), np.array([200.0]), 10.0)
        found = sim.trace(None, (sim.counter(truth),), window_s=(0, 10))
        draft = sim.draft(sensors=(sim.sensor(),))
        return summarise(found, replace(draft, run=replace(draft.run, resumed_from=before, status=status)))

    return build


def test_the_figures_are_the_parts_own_and_the_sum_is_said_beside_them(report_of):
    part, whole = report_of(), report_of(None)
    assert part.totals.energy_j == whole.totals.energy_j
    (flag,) = (flag for flag in part.flags if flag.code == "part-of-run")
    assert flag.severity is Severity.WARNING
    assert "continues 20260101-000000-mf-s0-ab12 after 1 epoch of 'layer2' (6 passes" in flag.message
    assert (
        "those of this part alone. Together with the part before: 2.05 kJ (sampled) in 14.0 s" in flag.message
    )
    assert "part-of-run" not in {flag.code for flag in whole.flags}


def test_the_sum_adds_values_and_bounds_and_takes_the_worse_source(report_of):
    report = report_of()
    own = report.totals.energy_j
    energy, duration_s = together(report)
    assert duration_s == 14.0
    assert energy.source is Provenance.SAMPLED
    assert (energy.value, energy.low, energy.high) == (own.value + 50, own.low + 40, own.high + 60)
    assert together(report_of(None)) == (own, 10.0)


@pytest.mark.parametrize(
    "before", [replace(BEFORE, energy_j=Quantity.missing()), replace(BEFORE, duration_s=None)]
)
def test_what_is_missing_is_in_no_sum(report_of, before):
    report = report_of(before)
    (flag,) = (flag for flag in report.flags if flag.code == "part-of-run")
    assert flag.message.endswith("What the part before took is not known.")
    energy, duration_s = together(report)
    assert (energy.value is None) == (before.energy_j.value is None)
    assert (duration_s is None) == (before.duration_s is None)


def test_a_part_is_comparable_with_its_like_only(report_of):
    other = report_of(replace(BEFORE, passes=7))
    interrupted = report_of(None, RunStatus.INTERRUPTED)
    whole, part = report_of(None), report_of()
    assert comparable_groups([whole, part, other, interrupted, part]) == ((0,), (1, 4), (2,), (3,))
    (difference,) = differences([whole, part, interrupted])
    assert difference.key == "extent"
    assert difference.strictness is Strictness.REFUSE
    assert difference.values == (
        "none",
        "from pass 7 on, continuing 20260101-000000-mf-s0-ab12",
        "interrupted",
    )


def test_it_is_in_the_record_and_comes_back(report_of):
    report = report_of()
    assert parse_report(render_report(report)).run.resumed_from == BEFORE
    assert parse_report(render_report(report_of(None))).run.resumed_from is None
