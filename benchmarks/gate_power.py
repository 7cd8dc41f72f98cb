"""How often the energy gate is right: seeded simulations of its verdicts, one table a promise.

    python benchmarks/gate_power.py [--runs 4000]

Prints each figure beside what was promised; exits 1 where one is missed. About a minute of
processor time. Welch at 3 runs a side is known to be conservative (scipy gives the same interval), so its
row has a range of its own.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from energyprof.analysis.statistics import Estimate, paired_log_ratio, welch_log_ratio
from energyprof.gate.budget import Limit, LimitKind
from energyprof.gate.judgement import Samples, compare_sides, decide_relative
from energyprof.gate.metric import METRICS
from energyprof.gate.sides import Arrangement
from energyprof.gate.verdict import Outcome

ENERGY = METRICS["energy_j"]
MARGIN = Limit(kind=LimitKind.MAX_INCREASE, value=0.05, text="5%")


@dataclass(frozen=True, slots=True)
class Row:
    """A figure and its promise."""

    name: str
    measured: float
    low: float
    high: float

    @property
    def kept(self) -> bool:
        return self.low <= self.measured <= self.high


def side(rng: np.random.Generator, n: int, cv: float, factor: float = 1.0) -> list[float]:
    return list(factor * np.exp(rng.normal(0, cv, n)))


def judge(base: list[float], head: list[float], arrangement: Arrangement, alpha: float = 0.05) -> Outcome:
    estimate = compare_sides(ENERGY, Samples(base=base, head=head, arrangement=arrangement))
    assert estimate is not None
    return decide_relative(ENERGY, MARGIN, estimate, alpha, alpha, 0.0).outcome


def share(cv: float, n: int, factor: float, outcome: Outcome, runs: int, seed: int) -> float:
    rng = np.random.default_rng(seed)
    sides = ((side(rng, n, cv), side(rng, n, cv, factor)) for _ in range(runs))
    return sum(judge(a, b, Arrangement.INTERLEAVED) is outcome for a, b in sides) / runs


def verdict_rows(runs: int) -> Iterator[Row]:
    """False failures in every row; power where the design note states it, within 3 points."""
    stated = {(0.01, 3): (0.996, 0.994), (0.02, 5): (0.964, 0.95), (0.05, 8): (0.58, None)}
    for cv in (0.01, 0.02, 0.03, 0.04, 0.05):
        for n in (3, 5, 8):
            where = f"CV {cv:.0%}, {n} runs a side"
            yield Row(f"{where}: unchanged fails", share(cv, n, 1.0, Outcome.FAIL, runs, 1), 0, 0.01)
            passes, fails = stated.get((cv, n), (None, None))
            if passes is not None:
                found = share(cv, n, 1.0, Outcome.PASS, runs, 2)
                yield Row(f"{where}: unchanged passes", found, passes - 0.03, passes + 0.03)
            if fails is not None:
                found = share(cv, n, 1.1, Outcome.FAIL, runs, 3)
                yield Row(f"{where}: +10 % fails", found, fails - 0.03, fails + 0.03)


def look_rows(runs: int) -> Iterator[Row]:
    """Code that is exactly at the margin, looked at after 3, 5 and 8 runs with half the level each time."""
    rng, failed = np.random.default_rng(4), 0
    for _ in range(runs):
        base, head = side(rng, 8, 0.03), side(rng, 8, 0.03, 1.05)
        looks = (judge(base[:n], head[:n], Arrangement.INTERLEAVED, 0.025) for n in (3, 5, 8))
        failed += next((o for o in looks if o is not Outcome.INCONCLUSIVE), None) is Outcome.FAIL
    yield Row("three looks: fails at the margin", failed / runs, 0.043, 0.057)


def coverage_rows(runs: int) -> Iterator[Row]:
    """95 % intervals around a ratio of 1.03."""
    kinds: list[tuple[str, Callable[[list[float], list[float]], Estimate]]] = [
        ("Welch", welch_log_ratio),
        ("paired", paired_log_ratio),
    ]
    for name, estimate in kinds:
        for n in (3, 4, 5, 8, 12, 20):
            rng, hits = np.random.default_rng(n), 0
            for _ in range(runs):
                found = estimate(side(rng, n, 0.03), side(rng, n, 0.03, 1.03))
                hits += found.low <= 1.03 <= found.high
            most = 0.97 if (name, n) == ("Welch", 3) else 0.96
            yield Row(f"{name} interval, {n} runs a side: covers", hits / runs, 0.94, most)


def ramp_rows(runs: int) -> Iterator[Row]:
    """Unchanged code under a 4 % thermal ramp, CV 1 %: how often it looks dearer (one-sided, no margin)."""
    promised = {"AAAAABBBBB": (0.83, 0.89), "ABBAABBAAB": (0, 0.06), "ABBAABBAABBAABBA": (0, 0.06)}
    for order, (low, high) in promised.items():
        rng, flagged = np.random.default_rng(5), 0
        arrangement = Arrangement.PAIRED if order.startswith("AB") else Arrangement.INTERLEAVED
        for _ in range(runs):
            values = np.exp(np.linspace(0, 0.04, len(order)) + rng.normal(0, 0.01, len(order)))
            sides = {s: [v for v, o in zip(values, order, strict=True) if o == s] for s in "AB"}
            found = compare_sides(ENERGY, Samples(base=sides["A"], head=sides["B"], arrangement=arrangement))
            assert found is not None
            flagged += found.lower(0.05) > 1
        yield Row(f"4 % ramp, {order}: unchanged looks dearer", flagged / runs, low, high)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=4000, help="simulations a figure")
    runs = parser.parse_args().runs
    missed = 0
    print(f"{runs} simulations a figure; standard error at 5 %: {math.sqrt(0.05 * 0.95 / runs):.2%}")
    for rows in (verdict_rows, look_rows, coverage_rows, ramp_rows):
        print()
        for row in rows(runs * (4 if rows is look_rows else 1)):
            missed += not row.kept
            verdict = "kept" if row.kept else "MISSED"
            promise = f"{row.low:6.1%} to {row.high:6.1%}"
            print(f"{row.name:<48} {row.measured:7.2%}   promised {promise}   {verdict}")
    print(f"\n{missed} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
