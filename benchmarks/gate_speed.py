"""How long ``energyprof check`` takes on 50 runs, from the shell's view, beside an empty interpreter.

    python benchmarks/gate_speed.py [--rounds 10]

Once with modules that are compiled already, as those of an installed package are, and once where none of ours
may be (a fresh checkout on a read-only disk). The best round counts for the promise of 0.4 s: on a shared
machine a median measures the other tenants.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "examples" / "ci"
MAIN = "import sys; from energyprof.cli import main; sys.exit(main())"
PROMISE_S = 0.4


def seconds(*arguments: str, folder: Path, compiled: bool) -> float:
    """Time a process; the interpreter's own and third-party modules are compiled in either case."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    kept = {"PYTHONPYCACHEPREFIX": str(folder / "compiled")} if compiled else {"PYTHONDONTWRITEBYTECODE": "1"}
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=variables | kept,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - began


def prepare(folder: Path, runs: int) -> None:
    for name in ("train.py", "settings.toml", "energyprof.toml"):
        (folder / name).write_bytes((EXAMPLE / name).read_bytes())
    baseline = folder / "baselines/digits-mf/simulated-cpu.json"
    baseline.parent.mkdir(parents=True)
    baseline.write_bytes((EXAMPLE / baseline.relative_to(folder)).read_bytes())
    for seed in range(runs):
        subprocess.run([sys.executable, "train.py", "--seed", str(seed)], cwd=folder, check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        prepare(folder, 50)
        seconds("-c", MAIN, "check", "-q", folder=folder, compiled=True)
        rows = [
            (
                seconds("-c", MAIN, "check", "-q", folder=folder, compiled=True),
                seconds("-c", MAIN, "check", "-q", folder=folder, compiled=False),
                seconds("-c", "", folder=folder, compiled=True),
            )
            for _ in range(rounds)
        ]
    columns = [sorted(column) for column in zip(*rows, strict=True)]
    for name, column in zip(
        ("check, 50 runs", "the same, not compiled", "empty interpreter"), columns, strict=True
    ):
        print(f"{name + ':':<24} best {column[0]:.3f} s, median {column[rounds // 2]:.3f} s")
    kept = all(column[0] < PROMISE_S for column in columns)
    print(f"promised under {PROMISE_S} s: {'kept' if kept else 'MISSED'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
