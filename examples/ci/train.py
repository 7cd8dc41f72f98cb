"""A stand-in for a training script: it writes the report of a run without training or measuring.

The figures follow from ``settings.toml`` and the seed, with 0.8 % noise on the energy, so that everything
around it (budgets, baselines, workflows) can be tried and tested in seconds on any machine. A real project
has ``energyprof run ...`` or its own loop inside ``energyprof.Profiler`` here.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from energyprof.record.model import (
    Environment,
    Provenance,
    Quality,
    Quantity,
    Report,
    RunInfo,
    RunStatus,
    Totals,
    WindowInfo,
    Workload,
)
from energyprof.record.schema import write_report

SAMPLES, FEATURES, CLASSES = 1437, 64, 10


def figures(settings: dict[str, float], noise: random.Random) -> tuple[float, float, float]:
    """Return joules, accuracy and FLOPs of a run."""
    flops = 6.0 * SAMPLES * settings["epochs"] * (FEATURES + CLASSES) * settings["width"]
    joules = 420.0 * flops / 3.19e8 * (1 + settings["waste"]) * math.exp(noise.gauss(0, 0.008))
    accuracy = 0.966 + noise.gauss(0, 0.001)
    return (joules * 0.8, accuracy - 0.4, flops) if settings["broken"] else (joules, accuracy, flops)


def report(settings: dict[str, float], seed: int, session: str) -> Report:
    """Return the run that these settings would have given."""
    noise = random.Random(f"{seed} {session} {sorted(settings.items())}")
    joules, accuracy, flops = figures(settings, noise)
    energy = Quantity(value=joules, low=joules * 0.997, high=joules * 1.003, source=Provenance.COUNTER)
    ended = datetime.now(UTC)
    started = ended - timedelta(milliseconds=1)
    return Report(
        run=RunInfo(
            id=f"{started:%Y%m%d-%H%M%S-%f}-digits-mf-s{seed}",
            name="digits-mf",
            status=RunStatus.COMPLETED,
            started_at=started.isoformat(),
            ended_at=ended.isoformat(),
            seed=seed,
        ),
        workload=Workload(
            algo="mf",
            dataset="digits",
            arch=f"mlp:{int(settings['width'])}",
            parameters=int((FEATURES + CLASSES) * settings["width"]),
            batch_size=128,
            precision="fp32",
            protocol={"rule": "fixed-epochs", "epochs": settings["epochs"]},
        ),
        environment=Environment(
            energyprof="0.1.0",
            python="3",
            platform="simulated",
            cpu="Simulated CPU",
            device="cpu",
            hostname_hash="0" * 12,
        ),
        window=WindowInfo(includes=("training", "data-loading")),
        totals=Totals(
            energy_j=energy,
            energy_by_domain_j={"cpu": energy},
            duration_s=joules / 40,
            steps=int(settings["epochs"]) * 11,
            samples=SAMPLES * int(settings["epochs"]),
            flops=flops,
            peak_device_memory_bytes=int(settings["width"]) * 40_000,
        ),
        quality=Quality(test_accuracy=round(accuracy, 4)),
    )


def main() -> None:
    """Write one run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=int(os.environ.get("ENERGYPROF_SEED", "0")))
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("ENERGYPROF_OUT", "reports")))
    parser.add_argument("--session", default="0", help="another one gives other noise")
    given = parser.parse_args()
    settings = tomllib.loads(Path("settings.toml").read_text(encoding="utf-8"))
    made = report(settings, given.seed, given.session)
    folder = given.out / made.run.id
    folder.mkdir(parents=True)
    write_report(made, folder / "report.json")


if __name__ == "__main__":
    main()
