"""Test accuracy reached, against the levels to reach.

Run:  python -m benchmarks.accuracy --data-dir PATH [--seeds 3] [--only mnist] [--long]

Short runs by default: batch 128, five epochs, the learners' own defaults. ``--long`` adds runs to their own
convergence and the reference recipes, which take hours on two cores. Prints one table; the level is what the
field reports for the same net, the number of seeds and of epochs stand beside what was reached.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from learners.experiment import Experiment, prepare
from learners.training.loop import train
from learners.training.meter import NullMeter


@dataclass(frozen=True)
class Arm:
    """One row: what is run, and the level to reach in per cent."""

    dataset: str
    algo: str
    level: float
    asked: Mapping[str, Any] = field(default_factory=dict)
    long: bool = False

    @property
    def title(self) -> str:
        settings = dict(self.asked.get("settings", {}))
        rest = {k: v for k, v in self.asked.items() if k != "settings"} | settings
        return " ".join([self.algo, *(f"{key}={value}" for key, value in rest.items())])


SHORT = {"epochs": 5, "arch": "mlp:1000,1000"}
ARMS = (
    Arm("digits", "mf", 94.0),
    Arm("digits", "bp", 94.0),
    Arm("digits", "ff", 90.0),
    Arm("digits", "cafo", 94.0),
    Arm("mnist", "bp", 97.5, SHORT),
    Arm("mnist", "mf", 97.5, SHORT),
    Arm("mnist", "mf", 97.5, SHORT | {"settings": {"prediction": "last"}}),
    Arm("fashion-mnist", "bp", 87.0, SHORT),
    Arm("fashion-mnist", "mf", 87.0, SHORT),
    Arm("mnist", "cafo", 98.0, {"epochs": 1, "settings": {"predictor": "mse"}}),
    Arm(
        "mnist",
        "bp",
        98.2,
        {"patience": 20, "settings": {"lr": "1.976e-4", "weight_decay": "7.5e-6"}},
        long=True,
    ),
    Arm(
        "mnist",
        "mf",
        98.4,
        {"patience": 20, "schedule": "sequential", "settings": {"lr": "4.657e-4"}},
        long=True,
    ),
    Arm("fashion-mnist", "bp", 89.4, {"patience": 20, "settings": {"lr": "2.132e-4"}}, long=True),
    Arm("fashion-mnist", "mf", 89.4, {"patience": 20, "schedule": "sequential"}, long=True),
    Arm("mnist", "ff", 98.3, {"epochs": 100, "batch_size": 100}, long=True),
)


def accuracy(arm: Arm, seed: int, data_dir: Path | None) -> tuple[float, int, float]:
    """Train once; return test accuracy in per cent, passes over the data, seconds."""
    prepared = prepare(
        Experiment(algo=arm.algo, dataset=arm.dataset, seed=seed, data_dir=data_dir, **arm.asked)
    )
    before = time.perf_counter()
    outcome = train(prepared.learner, prepared.task, prepared.protocol, NullMeter(), plan=prepared.plan)
    return 100 * outcome.test.accuracy, outcome.passes, time.perf_counter() - before


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, help="a folder that holds the data sets")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", help="only this data set")
    parser.add_argument("--long", action="store_true", help="the runs that take hours, too")
    options = parser.parse_args()
    print(
        f"{'data set':<15}{'arm':<58}{'level':>7}{'reached':>9}{'spread':>8}{'seeds':>6}{'passes':>7}{'s':>7}"
    )
    for arm in ARMS:
        if (options.only and arm.dataset != options.only) or (arm.long and not options.long):
            continue
        found = [accuracy(arm, seed, options.data_dir) for seed in range(options.seeds)]
        reached = [figure[0] for figure in found]
        spread = f"{statistics.stdev(reached):.2f}" if len(reached) > 1 else "-"
        mean, passes, took = statistics.mean(reached), found[-1][1], found[-1][2]
        print(
            f"{arm.dataset:<15}{arm.title:<58}{arm.level:>7.1f}{mean:>9.2f}{spread:>8}"
            f"{len(reached):>6}{passes:>7}{took:>7.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
