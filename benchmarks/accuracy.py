"""Test accuracy reached, against the levels to reach.

Run:  python -m benchmarks.accuracy --data-dir PATH [--part short] [--arm mnist/mf] [--seeds 3] [--keep FILE]

Three parts: ``short`` runs of a few epochs (minutes), ``full`` runs on MNIST and Fashion-MNIST to their own
convergence or by the reference recipe (hours on two cores), and ``cifar`` runs of as many epochs as two cores
manage in an hour. Prints one table: the level is what the field reports for the same net after its own
convergence; seeds and passes over the data stand beside what was reached. With ``--keep`` every finished run
is a line of JSON in that file, and a run that is there already is not repeated.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from learners.experiment import Experiment, prepare
from learners.training.loop import train
from learners.training.meter import NullMeter


@dataclass(frozen=True)
class Arm:
    """One row: what is run, and the level to reach in per cent."""

    part: str
    dataset: str
    name: str
    level: float
    asked: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return f"{self.part}/{self.dataset}/{self.name}"

    @property
    def algo(self) -> str:
        return self.name.partition(" ")[0]


@dataclass(frozen=True)
class Result:
    """One training: which, test accuracy in per cent, passes over the data, seconds."""

    arm: str
    seed: int
    accuracy: float
    passes: int
    duration_s: float


FIVE: dict[str, Any] = {"epochs": 5, "arch": "mlp:1000,1000"}
OWN: dict[str, Any] = {"patience": 20}
BY_ACCURACY: dict[str, Any] = {"watch": "accuracy"}  # stopped and restored by it, not by the loss
SEQUENTIAL: dict[str, Any] = {**OWN, "schedule": "sequential", "arch": "mlp:1000,1000"}
MATCHED: dict[str, Any] = {
    "passes": 28,
    "schedule": "sequential",
    "arch": "mlp:1000,1000",
}  # as many as bp took
WIDE: dict[str, Any] = {"epochs": 100, "batch_size": 100, "arch": "mlp:2000,2000,2000,2000"}
CNN: dict[str, Any] = {"arch": "conv:32,128,512"}
HUNDRED: dict[str, Any] = {"epochs": 100, "batch_size": 100}
MF_ADAM = {"optimizer": "adam"}
KEPT = {"cache": "true"}  # outputs of frozen layers: the same training, sooner
FF_HEAD = {"inference": "one-pass", "peer": "0.03", "init": "fan-out"}
FF_WIDE = {"head_lr": "3.6e-3", "head_weight_decay": "2.2e-3", "lr": "7.634e-4", "weight_decay": "3.1e-4"}
FF_WIDE_FASHION = {
    "head_lr": "6.0e-3",
    "head_weight_decay": "9.7e-3",
    "lr": "1.05e-3",
    "weight_decay": "6.8e-4",
}
FF_ADAMW = {"head_lr": "6.707e-3", "head_weight_decay": "8.3e-3"}
# The reference port averages its loss over both halves, ours adds them: half the rate, twice the decay.
FF_SGD = {"optimizer": "sgd", "lr": "5e-4", "weight_decay": "6e-4", "peer": "0.06"}
# A step changes the goodness of its own images by 4 lr |h|^2 / B of itself, |h|^2 the layer's inputs: a rate
# for 1000 units is too much for 2000, and the more so where some images stay misjudged.
FF_SGD_WIDE = {"lr": "1.5e-4", "head_lr": "3e-3"}
FF_SGD_WIDE_FASHION = {"lr": "4e-5", "head_lr": "1e-2", "head_weight_decay": "1e-3"}
DFA = {"blocks": "dfa"}


def _tuned(lr: str, weight_decay: str = "0") -> dict[str, str]:
    return {"lr": lr, "weight_decay": weight_decay}


ARMS = (
    Arm("short", "digits", "mf", 94.0),
    Arm("short", "digits", "bp", 94.0),
    Arm("short", "digits", "ff", 90.0),
    Arm("short", "digits", "cafo", 94.0),
    Arm("short", "mnist", "bp", 97.5, FIVE),
    Arm("short", "mnist", "mf", 97.5, FIVE),
    Arm("short", "mnist", "mf read from the last layer", 97.5, FIVE, {"prediction": "last"}),
    Arm("short", "fashion-mnist", "bp", 87.0, FIVE),
    Arm("short", "fashion-mnist", "mf", 87.0, FIVE),
    Arm("short", "mnist", "cafo mse", 98.0, {}, {"predictor": "mse"}),
    Arm("full", "mnist", "bp 2x1000", 98.2, OWN, _tuned("1.976e-4", "7.5e-6")),
    Arm("full", "mnist", "bp 2x1000, by accuracy", 98.2, OWN | BY_ACCURACY, _tuned("1.976e-4", "7.5e-6")),
    Arm("full", "mnist", "bp 2x1000, matched", 98.2, {"passes": 28}, _tuned("1.976e-4", "7.5e-6")),
    Arm("full", "mnist", "mf sequential", 98.4, SEQUENTIAL, KEPT | MF_ADAM | _tuned("4.657e-4", "2.8e-5")),
    Arm(
        "full",
        "mnist",
        "mf sequential, by accuracy",
        98.4,
        SEQUENTIAL | BY_ACCURACY,
        KEPT | MF_ADAM | _tuned("4.657e-4", "2.8e-5"),
    ),
    Arm(
        "full",
        "mnist",
        "mf sequential, matched",
        98.0,
        MATCHED,
        KEPT | MF_ADAM | _tuned("4.657e-4", "2.8e-5"),
    ),
    Arm("full", "mnist", "ff 3x1000", 98.3, HUNDRED, FF_HEAD | _tuned("1.332e-3", "6.0e-4") | FF_ADAMW),
    Arm("full", "mnist", "ff 3x1000, reference recipe", 98.55, HUNDRED, FF_HEAD | FF_SGD),
    Arm("full", "mnist", "ff 4x2000", 98.2, WIDE, FF_HEAD | FF_WIDE),
    Arm("full", "mnist", "ff 4x2000, reference recipe", 98.2, WIDE, FF_HEAD | FF_SGD),
    Arm("full", "mnist", "ff 4x2000, rates for its width", 98.2, WIDE, FF_HEAD | FF_SGD | FF_SGD_WIDE),
    Arm("full", "mnist", "bp cnn", 99.2, OWN | CNN, _tuned("2.079e-4", "2.6e-6")),
    Arm("full", "mnist", "bp cnn, by accuracy", 99.2, OWN | BY_ACCURACY | CNN, _tuned("2.079e-4", "2.6e-6")),
    Arm("full", "mnist", "cafo random, ce", 98.9, OWN, KEPT | _tuned("3.65e-4", "2.9e-6")),
    Arm("full", "mnist", "cafo dfa, ce", 98.9, OWN, KEPT | DFA | _tuned("3.465e-4", "3.5e-5")),
    Arm("full", "fashion-mnist", "bp 2x1000", 89.4, OWN, _tuned("2.132e-4", "2.7e-5")),
    Arm(
        "full",
        "fashion-mnist",
        "bp 2x1000, by accuracy",
        89.4,
        OWN | BY_ACCURACY,
        _tuned("2.132e-4", "2.7e-5"),
    ),
    Arm("full", "fashion-mnist", "bp 2x1000, matched", 89.4, {"passes": 28}, _tuned("2.132e-4", "2.7e-5")),
    Arm("full", "fashion-mnist", "mf sequential", 89.4, SEQUENTIAL, KEPT | MF_ADAM | _tuned("3.873e-4")),
    Arm(
        "full",
        "fashion-mnist",
        "mf sequential, by accuracy",
        89.4,
        SEQUENTIAL | BY_ACCURACY,
        KEPT | MF_ADAM | _tuned("3.873e-4"),
    ),
    Arm(
        "full", "fashion-mnist", "mf sequential, matched", 88.9, MATCHED, KEPT | MF_ADAM | _tuned("3.873e-4")
    ),
    Arm("full", "fashion-mnist", "ff 4x2000", 88.9, WIDE, FF_HEAD | FF_WIDE_FASHION),
    Arm("full", "fashion-mnist", "ff 4x2000, reference recipe", 88.9, WIDE, FF_HEAD | FF_SGD),
    Arm(
        "full",
        "fashion-mnist",
        "ff 4x2000, rates for its width",
        88.9,
        WIDE,
        FF_HEAD | FF_SGD | FF_SGD_WIDE_FASHION,
    ),
    Arm("full", "fashion-mnist", "bp cnn", 91.5, OWN | CNN, _tuned("3.114e-4", "2.4e-6")),
    Arm(
        "full",
        "fashion-mnist",
        "bp cnn, by accuracy",
        91.5,
        OWN | BY_ACCURACY | CNN,
        _tuned("3.114e-4", "2.4e-6"),
    ),
    Arm("full", "fashion-mnist", "cafo random, ce", 91.1, OWN, KEPT | _tuned("2.175e-4", "1.1e-6")),
    Arm("full", "fashion-mnist", "cafo dfa, ce", 91.7, OWN, KEPT | DFA | _tuned("3.465e-4", "3.5e-5")),
    Arm("cifar", "cifar-10", "bp 3x2000", 62.5, {"epochs": 20}, _tuned("8.116e-5", "2.1e-5")),
    Arm("cifar", "cifar-10", "mf concurrent", 61.4, {"epochs": 20}, MF_ADAM | _tuned("2.154e-4", "1.6e-6")),
    Arm("cifar", "cifar-10", "cafo random, ce", 66.8, {"epochs": 5}, _tuned("5.647e-4", "5.7e-6")),
)


def run(arm: Arm, seed: int, data_dir: Path | None, threads: int | None, cap: int | None) -> Result:
    """Train once and evaluate."""
    asked = dict(arm.asked) | ({"epochs": cap} if cap and arm.part != "short" else {})
    prepared = prepare(
        Experiment(
            algo=arm.algo,
            dataset=arm.dataset,
            seed=seed,
            data_dir=data_dir,
            threads=threads,
            settings=arm.settings,
            **asked,
        )
    )
    before = time.perf_counter()
    outcome = train(prepared.learner, prepared.task, prepared.protocol, NullMeter(), plan=prepared.plan)
    return Result(arm.title, seed, 100 * outcome.test.accuracy, outcome.passes, time.perf_counter() - before)


def recall(kept: Path | None) -> list[Result]:
    """Return the results of earlier runs."""
    if kept is None or not kept.exists():
        return []
    return [Result(**json.loads(line)) for line in kept.read_text(encoding="utf-8").splitlines()]


def results(arm: Arm, options: argparse.Namespace, known: list[Result]) -> Iterator[Result]:
    """Give the result of each seed, from the file or by training."""
    found = {result.seed: result for result in known if result.arm == arm.title}
    for seed in range(options.seeds):
        if seed not in found:
            found[seed] = run(arm, seed, options.data_dir, options.threads, options.cap)
            if options.keep is not None:
                with options.keep.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(found[seed])) + "\n")
        yield found[seed]


def row(arm: Arm, found: list[Result]) -> str:
    """Return one line of the table."""
    reached = [result.accuracy for result in found]
    spread = f"{statistics.stdev(reached):.2f}" if len(reached) > 1 else "-"
    passes = "/".join(str(result.passes) for result in found)
    took = statistics.mean(result.duration_s for result in found)
    return (
        f"{arm.dataset:<15}{arm.name:<30}{arm.level:>7.1f}{statistics.mean(reached):>9.2f}{spread:>8}"
        f"{len(found):>6}{passes:>14}{took:>9.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, help="a folder that holds the data sets")
    parser.add_argument("--part", choices=("short", "full", "cifar", "all"), default="short")
    parser.add_argument("--arm", default="", help="only rows whose part/data set/name holds this text")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, help="threads of torch; default: all cores")
    parser.add_argument("--cap", type=int, help="at most that many epochs a stage, in long runs")
    parser.add_argument("--keep", type=Path, help="a file of results, read first and added to")
    options = parser.parse_args()
    known = recall(options.keep)
    print(f"{'data set':<15}{'arm':<30}{'level':>7}{'reached':>9}{'spread':>8}{'seeds':>6}", end="")
    print(f"{'passes':>14}{'s':>9}")
    for arm in ARMS:
        if options.part in (arm.part, "all") and options.arm in arm.title:
            print(row(arm, list(results(arm, options, known))), flush=True)


if __name__ == "__main__":
    main()
