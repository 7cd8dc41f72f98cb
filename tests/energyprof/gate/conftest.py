"""Runs made up on the spot: one number a metric, seeded noise, times that say how they were measured."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from energyprof.cli import main
from energyprof.gate.observation import GateRun
from energyprof.record.model import (
    Environment,
    Epoch,
    Flag,
    Provenance,
    Quality,
    Quantity,
    Report,
    RunInfo,
    RunStatus,
    Severity,
    Totals,
    WindowInfo,
    Workload,
)
from energyprof.record.schema import render_report, write_report

BEGIN = datetime(2026, 3, 1, 8, tzinfo=UTC)

BUDGET = """
schema = "energyprof.budget/1"

[defaults]
alpha = 0.05

[[budget]]
name = "mnist-mf"
why = "MF must stay within 5 % of the promoted baseline"
select = { algo = "mf", dataset = "mnist" }
baseline = "baselines/{budget}/{device}.json"

[budget.metrics.energy_j]
primary = true
max = "1.8 kJ"
max_increase = "5%"

[budget.metrics.peak_device_memory_bytes]
max = "512 MiB"
kind = "deterministic"

[budget.quality.test_accuracy]
min = 0.95
max_decrease = "0.5 pp"

[noise."Test CPU"]
energy_j = "0.3%"
"""


@dataclass(frozen=True)
class RunMaker:
    """Makes runs; every argument has a plain default."""

    folder: Path

    def report(
        self,
        energy_j: float | None = 1500.0,
        *,
        name: str = "run",
        seed: int | None = 0,
        minute: float = 0.0,
        accuracy: float | None = 0.97,
        source: Provenance = Provenance.COUNTER,
        bounds: float = 0.005,
        status: RunStatus = RunStatus.COMPLETED,
        flags: Sequence[str] = (),
        memory: int | None = 400 * 1024**2,
        flops: float | None = 1e12,
        algo: str = "mf",
        dataset: str = "mnist",
        protocol: dict[str, Any] | None = None,
        cpu: str = "Test CPU",
        host: str | None = "host-a",
        duration_s: float = 50.0,
        curve: Sequence[float | None] = (),
        co2e_kg: float | None = None,
    ) -> Report:
        started = BEGIN + timedelta(minutes=minute)
        quantity = (
            Quantity.missing()
            if energy_j is None
            else Quantity(
                value=energy_j, low=energy_j * (1 - bounds), high=energy_j * (1 + bounds), source=source
            )
        )
        epochs = tuple(
            Epoch(
                index=index,
                stage="train",
                start_s=index * 10.0,
                end_s=index * 10.0 + 10,
                samples=(index + 1) * 1000,
                cumulative_energy_j=None if energy_j is None else energy_j * (index + 1) / max(len(curve), 1),
                validation_accuracy=value,
            )
            for index, value in enumerate(curve)
        )
        return Report(
            run=RunInfo(
                id=name,
                name=name,
                status=status,
                seed=seed,
                started_at=started.isoformat(),
                ended_at=(started + timedelta(seconds=duration_s)).isoformat(),
            ),
            workload=Workload(
                algo=algo,
                dataset=dataset,
                arch="mlp:100",
                parameters=1000,
                batch_size=128,
                precision="fp32",
                protocol=protocol or {"name": "fixed", "epochs": 5},
            ),
            environment=Environment(
                energyprof="0.1.0",
                python="3.11",
                platform="Linux",
                cpu=cpu,
                device="cpu",
                hostname_hash=host,
                packages={"torch": "2.6.0"},
            ),
            window=WindowInfo(includes=("training",)),
            totals=Totals(
                energy_j=quantity,
                energy_by_domain_j={} if energy_j is None else {"cpu": quantity},
                duration_s=duration_s,
                steps=100,
                samples=12_800,
                flops=flops,
                peak_device_memory_bytes=memory,
                mean_power_w=None if energy_j is None else energy_j / duration_s,
                co2e_kg=co2e_kg,
            ),
            quality=Quality(test_accuracy=accuracy),
            epochs=epochs,
            flags=tuple(Flag(code=code, severity=Severity.WARNING, message=code) for code in flags),
        )

    def run(self, energy_j: float | None = 1500.0, **settings: Any) -> GateRun:
        """Return a run in memory."""
        report = self.report(energy_j, **settings)
        return GateRun(report=report, digest=hashlib.sha256(render_report(report).encode()).hexdigest())

    def side(
        self,
        name: str,
        count: int,
        *,
        factor: float = 1.0,
        cv: float = 0.005,
        day: int = 0,
        rng: int | None = None,
        **settings: Any,
    ) -> list[GateRun]:
        """Return runs one after another on one day."""
        noise = np.random.default_rng(sum(map(ord, name)) if rng is None else rng)
        return [
            self.run(
                1500.0 * factor * math.exp(noise.normal(0, cv)),
                **{
                    "name": f"{name}-{i}",
                    "seed": i,
                    "minute": day * 1440 + i * 2,
                    "accuracy": round(0.97 + noise.normal(0, 0.0005), 5),
                    **settings,
                },
            )
            for i in range(count)
        ]

    def write(self, runs: Sequence[GateRun], out: str = "reports") -> list[str]:
        """Write runs as run folders and return their names."""
        for run in runs:
            folder = self.folder / out / run.id
            folder.mkdir(parents=True)
            write_report(run.report, folder / "report.json")
        return [run.id for run in runs]


def interleaved(
    make: RunMaker, n: int, base: Sequence[float], head: Sequence[float], **settings: Any
) -> tuple[list[GateRun], list[GateRun]]:
    """Return both sides measured A B B A ... in one sitting, pair i under seed i."""
    sides: tuple[list[GateRun], list[GateRun]] = ([], [])
    for pair in range(n):
        order = (0, 1) if pair % 2 == 0 else (1, 0)
        for place, side in enumerate(order):
            energy = (base, head)[side][pair]
            minute = 2.0 * (2 * pair + place)
            name = f"{'base' if side == 0 else 'head'}-{pair}"
            sides[side].append(make.run(energy, name=name, seed=pair, minute=minute, **settings))
    return sides


def change(run: GateRun, part: str, **changes: Any) -> GateRun:
    """Return a run with fields of one part of its report replaced."""
    report = replace(run.report, **{part: replace(getattr(run.report, part), **changes)})
    return GateRun(report=report, digest=hashlib.sha256(render_report(report).encode()).hexdigest())


@pytest.fixture
def make(tmp_path: Path) -> RunMaker:
    return RunMaker(folder=tmp_path)


@pytest.fixture
def repository(make: RunMaker, monkeypatch: pytest.MonkeyPatch) -> RunMaker:
    """A folder with budgets and a promoted baseline."""
    (make.folder / "energyprof.toml").write_text(BUDGET)
    make.write(make.side("base", 5), "first")
    monkeypatch.chdir(make.folder)
    assert main(["baseline", "promote", "--budget", "mnist-mf", "--reason", "first", "first"]) == 0
    return make
