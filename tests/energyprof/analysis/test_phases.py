from __future__ import annotations

import pytest

from energyprof.analysis.phases import likeliest_energies, phase_kind, phases_are_modelled
from energyprof.record.model import (
    Environment,
    PhaseEnergy,
    Provenance,
    Quantity,
    Report,
    RunInfo,
    RunStatus,
)


def joules(value: float) -> Quantity:
    return Quantity(value=value, source=Provenance.COUNTER)


def report(*phases: PhaseEnergy) -> Report:
    return Report(
        run=RunInfo(id="r", name="r", status=RunStatus.COMPLETED, started_at=""),
        environment=Environment(energyprof="0", python="3", platform="Linux"),
        phases=phases,
    )


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("train/layer1/local-update", "local update"),
        ("evaluate", "evaluate"),
        ("unattributed", "in no phase"),
    ],
)
def test_the_kind_of_a_phase_is_the_last_part_of_its_path(path: str, kind: str) -> None:
    assert phase_kind(path) == kind


def test_modelled_energies_are_taken_where_every_phase_has_one() -> None:
    one = PhaseEnergy(name="a", seconds=1, count=1, energy_j=joules(5), modelled_energy_j=joules(2))
    two = PhaseEnergy(name="b", seconds=1, count=1, energy_j=joules(5))
    assert phases_are_modelled(report(one))
    assert likeliest_energies(report(one))["a"].value == 2
    assert not phases_are_modelled(report(one, two))
    assert [q.value for q in likeliest_energies(report(one, two)).values()] == [5, 5]


def test_no_phases_are_not_modelled() -> None:
    assert not phases_are_modelled(report())
