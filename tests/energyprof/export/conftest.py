"""Made-up runs."""

from __future__ import annotations

import pytest

from energyprof.record.model import Provenance, Report
from energyprof.record.trace import Trace
from energyprof.testing.sample_runs import Recipe, sample_run

FORMULA = "=cmd|' /C calc'!A0\n\u202e\x1b<script>"


@pytest.fixture(scope="session")
def runs() -> dict[str, tuple[Report, Trace]]:
    """Runs of every kind that an export may meet."""
    recipes = {
        "gpu": Recipe(epochs=2, steps=30),
        "no-sensor": Recipe(gpus=0, cpu=Provenance.MISSING, epochs=1, steps=5),
        "zero-steps": Recipe(epochs=0, steps=0),
        "hostile": Recipe(name=FORMULA, parts={FORMULA: 0.01}, epochs=1, steps=5),
    }
    return {name: sample_run(recipe) for name, recipe in recipes.items()}
