from __future__ import annotations

import pytest

from energyprof.record.model import (
    Environment,
    Provenance,
    Quantity,
    Report,
    RunInfo,
    RunStatus,
    Totals,
    Workload,
)


@pytest.fixture
def report() -> Report:
    return Report(
        run=RunInfo(id="r", name="r", status=RunStatus.COMPLETED, started_at="2026-01-01T00:00:00Z"),
        environment=Environment(energyprof="0", python="3", platform="Linux"),
        workload=Workload(algo="mf", config={"lr": 1e-3, "odd": float("nan")}),
        totals=Totals(energy_j=Quantity(value=1.5, low=1.0, high=2.0, source=Provenance.COUNTER)),
    )
