from __future__ import annotations

import pytest

from energyprof.record.model import Provenance, RunStatus
from energyprof.record.schema import parse_report, render_report
from energyprof.testing.sample_runs import Recipe, sample_run


def test_the_same_recipe_gives_the_same_run() -> None:
    assert sample_run(Recipe(epochs=2, steps=20))[0] == sample_run(Recipe(epochs=2, steps=20))[0]


def test_a_made_up_report_is_a_report() -> None:
    report, _ = sample_run(Recipe(epochs=2, steps=20, status=RunStatus.PARTIAL))
    again = parse_report(render_report(report))
    assert render_report(again) == render_report(report)


def test_the_regression_finds_the_power_that_was_put_in() -> None:
    report, _ = sample_run(Recipe(epochs=10, gpu_limit_w=250, cpu_limit_w=65))
    phases = {phase.name: phase for phase in report.phases}
    update = phases["train/layer1/local-update"]
    assert update.modelled_energy_j.value is not None
    assert update.modelled_energy_j.value / update.seconds == pytest.approx(0.9 * 315, rel=0.05)
    total = sum(p.modelled_energy_j.value or 0 for p in report.phases)
    assert total == pytest.approx(report.totals.energy_j.value)


@pytest.mark.parametrize("cpu", [Provenance.COUNTER, Provenance.ESTIMATED, Provenance.MISSING])
def test_the_processors_joules_come_from_where_the_recipe_says(cpu: Provenance) -> None:
    report, _ = sample_run(Recipe(gpus=0, cpu=cpu, epochs=1, steps=10))
    assert report.totals.energy_j.source is cpu


def test_the_number_of_devices_is_that_of_the_recipe() -> None:
    report, _ = sample_run(Recipe(gpus=3, epochs=1, steps=10))
    assert list(report.totals.energy_by_domain_j) == ["gpu:0", "gpu:1", "gpu:2", "cpu"]
