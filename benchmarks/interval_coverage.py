"""How often the 95 % intervals hold the truth, exactly, and whether another rule would do better at 3 runs.

    python benchmarks/interval_coverage.py

The coverage is integrated, not simulated: whatever share u one side has in the squared standard error, the
difference divided by it follows Student's t with the degrees of freedom of both sides together, and u follows
from a beta distribution. First the interval of ``welch_difference`` as it stands, by runs a side and by the
ratio of the two spreads; then what other critical values would give with 3 runs a side. A few seconds.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import cache

import numpy as np
from scipy import optimize, stats

from energyprof.analysis.statistics import welch_difference

Array = np.ndarray[tuple[int], np.dtype[np.float64]]
Rule = Callable[[Array], Array]  # share u of one side in the squared standard error -> critical value

RATIOS = (1.0, 1.25, 1.5, 1.7, 2.0, 3.0, 4.0, 5.0, 10.0, 30.0)
LEVEL = 0.95
NODES = 120


@cache
def nodes(df: int) -> tuple[Array, Array]:
    """Return values of a beta distribution, for two samples with equal variances, and their weights."""
    points, weights = np.polynomial.legendre.leggauss(NODES)
    return stats.beta.ppf((points + 1) / 2, df / 2, df / 2), weights


def coverage(rule: Rule, n: int, ratio: float) -> float:
    """Return how often the interval holds the truth; ``ratio`` is that of the two standard deviations."""
    share, weights = nodes(n - 1)
    large = ratio**2 / (1 + ratio**2)
    first, second = large * share, (1 - large) * (1 - share)
    critical = rule(first / (first + second))
    held = 2 * stats.t.cdf(critical * np.sqrt(2 * (first + second)), 2 * (n - 1)) - 1
    return float(weights @ held / 2)


def ours(n: int) -> Rule:
    """Return the critical values of the interval as it is computed, from samples made to have each share."""

    def critical(share: float) -> float:
        base, head = ([-math.sqrt(part), *[0.0] * (n - 2), math.sqrt(part)] for part in (share, 1 - share))
        found = welch_difference(base, head, LEVEL)
        return (found.high - found.value) / found.standard_error

    return lambda shares: np.array([critical(float(share)) for share in shares])


def student(df: Callable[[Array], Array | float]) -> Rule:
    return lambda u: stats.t.ppf((1 + LEVEL) / 2, df(u))


def best_between(low: float, high: float) -> Rule:
    """Return the critical values within bounds, as any function of the share, that come nearest."""
    knots = np.array([0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.96, 0.98, 0.99, 1.0])
    at_the_end = stats.t.ppf((1 + LEVEL) / 2, 2)

    def rule(values: Array) -> Rule:
        return lambda u: np.interp(np.maximum(u, 1 - u), knots, np.append(values, at_the_end))

    def misses(values: Array) -> Array:
        found = np.array([100 * (coverage(rule(values), 3, ratio) - LEVEL) for ratio in SEARCHED])
        return np.append(np.sign(found) * np.abs(found) ** 3, 0.01 * np.diff(values, 2))

    start = stats.t.ppf((1 + LEVEL) / 2, 1 / (knots**2 / 2 + (1 - knots) ** 2 / 2))[:-1]
    inside = np.clip(start, low + 1e-6, high - 1e-6)
    return rule(optimize.least_squares(misses, inside, bounds=(low, high), max_nfev=80).x)


SEARCHED = (
    1.0,
    1.1,
    1.25,
    1.4,
    1.6,
    1.8,
    2.0,
    2.3,
    2.6,
    3.0,
    3.5,
    4.0,
    5.0,
    6.0,
    8.0,
    10.0,
    20.0,
    50.0,
    300.0,
)


def row(name: str, rule: Rule, n: int) -> None:
    found = [100 * coverage(rule, n, ratio) for ratio in RATIOS]
    print(f"{name:<34}" + "".join(f"{value:7.2f}" for value in found))


def main() -> int:
    t2, t4 = (float(stats.t.ppf((1 + LEVEL) / 2, df)) for df in (2, 4))
    print(f"{'ratio of the spreads':<34}" + "".join(f"{ratio:7.4g}" for ratio in RATIOS))
    for n in (3, 4, 5, 6, 8, 12, 20):
        row(f"Welch, {n} runs a side", ours(n), n)
    print("\nother rules, 3 runs a side")
    row("pooled variances", student(lambda _u: 4.0), 3)
    row("Welch with f + 2, less 2", student(lambda u: 1 / (u**2 / 4 + (1 - u) ** 2 / 4) - 2), 3)
    row("best between t of 4 and of 2", best_between(t4, t2), 3)
    free = best_between(1.5, 8.0)
    row("best from 1.5 on", free, 3)
    least = float(free(np.array([0.5]))[0])
    print(
        f"\nWhere both samples spread alike the last one's critical value is {least:.2f} (the normal "
        f"distribution's is {stats.norm.ppf((1 + LEVEL) / 2):.2f},\nthat of t with 4 degrees of freedom "
        f"{t4:.2f}): it holds the truth in {2 * stats.t.cdf(least, 4) - 1:.0%} of those cases."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
