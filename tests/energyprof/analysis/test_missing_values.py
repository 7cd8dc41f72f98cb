from dataclasses import replace

import pytest

from energyprof.analysis.attribution import attribute, quantity
from energyprof.analysis.findings import Findings
from energyprof.analysis.missing_values import REASONS, missing_values
from energyprof.record.model import (
    Carbon,
    Distribution,
    Provenance,
    Quality,
    StepStatistics,
    Totals,
    Workload,
)


@pytest.fixture
def findings(sim):
    def build(report):
        trace = sim.trace(window_s=(0, 1))
        return Findings(trace=trace, attribution=attribute(trace, []), report=report)

    return build


def test_every_field_of_the_contract_that_is_null_has_a_reason(sim, findings):
    flags = list(missing_values(findings(sim.draft())))
    assert {flag.field for flag in flags} == set(REASONS)
    assert all(flag.code == "missing-value" and flag.message.endswith(".") for flag in flags)


def test_a_whole_report_has_none(sim, findings):
    known = quantity(1, 1, 1, Provenance.COUNTER)
    spread = Distribution(mean=1.0)
    draft = sim.draft(
        workload=Workload(algo="mf", dataset="d", dataset_sha256="0", arch="a", schedule="s", parameters=1),
        totals=Totals(
            energy_j=known,
            idle_energy_j=known,
            above_idle_energy_j=known,
            samples=1,
            energy_per_sample_j=known,
            flops=1.0,
            peak_device_memory_bytes=1,
            peak_host_memory_bytes=1,
            co2e_kg=0.0,
        ),
        carbon=Carbon(intensity_g_per_kwh=1.0, source="s", country="FRA"),
        quality=Quality(train_accuracy=1.0, validation_accuracy=1.0, test_accuracy=1.0),
        steps=StepStatistics(duration_s=spread, energy_j=spread),
    )
    report = replace(draft, run=replace(draft.run, seed=0, command="c"))
    assert list(missing_values(findings(report))) == []


def reason(flags, field):
    return next(flag.message for flag in flags if flag.field == field)


def test_reasons_fit_the_run(sim, findings):
    draft = sim.draft(carbon=Carbon(intensity_g_per_kwh=50.0, source="given"))
    report = replace(draft, environment=replace(draft.environment, device="cpu"))
    flags = list(missing_values(findings(report)))
    assert "ran on the CPU" in reason(flags, "totals.peak_device_memory_bytes")
    assert "energy is not known" in reason(flags, "totals.co2e_kg")
    assert "given as a figure" in reason(flags, "carbon.country")


def test_above_idle_by_a_model_of_a_busy_host_has_a_reason_of_its_own(sim, findings):
    spent = quantity(16.0, 0, 16.0, Provenance.ESTIMATED)
    draft = sim.draft(totals=Totals(energy_j=spent, idle_energy_j=spent))
    flags = list(missing_values(findings(draft)))
    assert "as busy before and after the run as in it" in reason(flags, "totals.above_idle_energy_j")
