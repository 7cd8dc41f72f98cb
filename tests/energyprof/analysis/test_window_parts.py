from __future__ import annotations

import pytest

from energyprof.analysis.window_parts import window_parts
from energyprof.record.model import PhaseEnergy, Quantity


def phase(name: str) -> PhaseEnergy:
    return PhaseEnergy(name=name, seconds=1.0, count=1, energy_j=Quantity.missing())


@pytest.mark.parametrize(
    ("names", "more"),
    [
        ([], []),
        (["train", "train/data", "unattributed"], []),
        (["train/evaluate"], ["evaluation"]),
        (["Validation", "test"], ["evaluation"]),
        (["save/weights", "eval"], ["evaluation", "checkpoints"]),
        (["warm_up"], ["warm-up"]),
        (["latest", "saved"], []),
    ],
)
def test_the_names_of_phases_tell_what_a_window_included(names: list[str], more: list[str]) -> None:
    assert window_parts([phase(name) for name in names]) == ("training", "data-loading", *more)
