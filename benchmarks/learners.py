"""Steps a second of each learner, against its floor and against a textbook loop, interleaved in one run.

    python benchmarks/learners.py [--rounds 60] [--threads 2] [--wide] [--public-ff PATH ...]

Every round times a few steps of every arm, arms in a new random order; the table gives lower quartiles over
rounds and their ratios: on a shared machine, a median measures the other tenants. Public implementations are
compared at their own settings where a checkout of them is given.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

sys.path[0] = str(Path(__file__).parents[1])  # not this folder: ``learners`` would be this file

from benchmarks import public  # noqa: E402
from benchmarks.floors import floor_bp, floor_ff, floor_mf  # noqa: E402
from benchmarks.textbook import Images, Step, batches, textbook_bp, textbook_ff, textbook_mf  # noqa: E402
from learners.base import Batch, DataSpec  # noqa: E402
from learners.registry import build  # noqa: E402
from learners.training.host import prepare_host  # noqa: E402

BATCH_SIZE = 128
REPEATS = 4
FLOORS = {"bp": floor_bp, "mf": floor_mf, "ff": floor_ff}
TEXTBOOKS = {"bp": textbook_bp, "mf": textbook_mf, "ff": textbook_ff}
NETS: dict[str, tuple[tuple[int, int, int], Hidden]] = {
    "mnist": ((1, 28, 28), {"bp": (1000, 1000), "mf": (1000, 1000), "ff": (1000, 1000, 1000)}),
    "cifar": ((3, 32, 32), {"bp": (2000, 2000, 2000), "mf": (2000, 2000, 2000)}),
}
Arm = Callable[[], object]
Hidden = dict[str, tuple[int, ...]]


def make_arms(shape: tuple[int, int, int], hidden: Hidden) -> dict[str, Arm]:
    """Return the arms of one table: for each learner ours, its floor, its textbook step and textbook loop."""
    spec = DataSpec(shape=shape, classes=10)
    generator = torch.Generator().manual_seed(0)
    batch = Batch(torch.randn(BATCH_SIZE, *shape, generator=generator), torch.arange(BATCH_SIZE) % 10)
    flat, stream = batch.x.flatten(1), batches(Images(shape), BATCH_SIZE)
    arms: dict[str, Arm] = {}
    for name, widths in hidden.items():
        sizes = (spec.features, *widths, 10)
        learner = build(name, spec, "mlp:" + ",".join(map(str, widths)))
        floor, textbook = FLOORS[name](sizes, BATCH_SIZE), TEXTBOOKS[name](sizes)
        arms[f"{name} ours"] = partial(learner.step, batch)
        arms[f"{name} floor"] = partial(floor, flat)
        arms[f"{name} textbook step"] = partial(textbook, batch.x, batch.y)
        arms[f"{name} textbook loop"] = partial(_on_next, textbook, stream)
    return arms


def _on_next(step: Step, stream: Iterator[tuple[Tensor, Tensor]]) -> Tensor:
    return step(*next(stream))


def measure(arms: dict[str, Arm], rounds: int, repeats: int = REPEATS, warm_up: int = 3) -> dict[str, float]:
    """Return the lower-quartile milliseconds of each arm."""
    order = list(arms)
    times: dict[str, list[float]] = {name: [] for name in arms}
    for name in order * warm_up:
        arms[name]()
    shuffle = random.Random(0).shuffle
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            if repeats > 1:
                arms[name]()  # brings its weights back into the cache, as in training
            start = time.perf_counter()
            for _ in range(repeats):
                arms[name]()
            times[name].append((time.perf_counter() - start) * 1e3 / repeats)
    return {name: sorted(values)[len(values) // 4] for name, values in times.items()}


def report(net: str, quiet_ms: dict[str, float], names: list[str]) -> None:
    """Print one table."""
    print(f"\n{net}, batch {BATCH_SIZE}, {torch.get_num_threads()} threads; ms a step; ratios of ours to")
    head = (
        "",
        "ours",
        "floor",
        "textbook step",
        "textbook loop",
        "/floor",
        "/own bp",
        "/textbook bp",
        "loop speed-up",
    )
    print("{:4} {:>8} {:>8} {:>14} {:>14} {:>8} {:>8} {:>13} {:>14}".format(*head))
    own_bp, textbook_bp_step = quiet_ms["bp ours"], quiet_ms["bp textbook step"]
    for name in names:
        ours = quiet_ms[f"{name} ours"]
        floor, step, loop = (
            quiet_ms[f"{name} {kind}"] for kind in ("floor", "textbook step", "textbook loop")
        )
        print(
            f"{name:4} {ours:8.2f} {floor:8.2f} {step:14.2f} {loop:14.2f} {ours / floor:8.3f} "
            f"{ours / own_bp:8.3f} {ours / textbook_bp_step:13.3f} {loop / ours:14.2f}"
        )


def compare_public(paths: dict[str, Path], images: int) -> None:
    """Print public implementations beside ours: lower quartiles of interleaved rounds."""
    if paths:
        print(f"\n{'at its own settings, ms':<78}{'public':>10}{'ours':>10}{'speed-up':>10}")
    for pair in public.pairs(paths, images):
        quiet_ms = measure(
            {"public": pair.public, "ours": pair.ours}, pair.rounds, repeats=1, warm_up=int(pair.rounds > 1)
        )
        theirs, ours = quiet_ms["public"], quiet_ms["ours"]
        print(f"{pair.title:<78}{theirs:>10.1f}{ours:>10.1f}{theirs / ours:>10.2f}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--wide", action="store_true", help="also 3072-2000-2000-2000-10")
    parser.add_argument("--only-public", action="store_true", help="leave out our own nets' tables")
    for name, what in public.CHECKOUTS.items():
        parser.add_argument(f"--public-{name}", type=Path, metavar="PATH", help=f"checkout of {what}")
    parser.add_argument("--images", type=int, default=10_000, help="images of a whole public training")
    options = parser.parse_args()
    prepare_host(options.threads)
    nets = ("mnist", "cifar") if options.wide else ("mnist",)
    for net in () if options.only_public else nets:
        shape, hidden = NETS[net]
        torch.manual_seed(0)
        report(net, measure(make_arms(shape, hidden), options.rounds), list(hidden))
    paths = {name: getattr(options, f"public_{name}".replace("-", "_")) for name in public.CHECKOUTS}
    compare_public({name: path for name, path in paths.items() if path is not None}, options.images)


if __name__ == "__main__":
    main()
