"""What a handful of runs says: ratios with intervals, bounds and levels.

One number a run; steps inside a run are not replicates. Quantities of a ratio scale (joules, seconds, bytes)
are compared as logarithms, so an estimate is a ratio of geometric means; accuracy is compared as it is.
Always ``head`` against ``base``: a ratio above 1 means that head takes more.

Sources: B. L. Welch, Biometrika 34 (1947) 28 and F. E. Satterthwaite, Biometrics Bulletin 2 (1946) 110
(unequal variances and their degrees of freedom); S. Holm, Scandinavian Journal of Statistics 6 (1979) 65.

How often the 95 % intervals hold the truth, exactly, as ``benchmarks/interval_coverage.py`` works it out:

======  =======  ===============================================================
design  runs     coverage
======  =======  ===============================================================
paired  3 to 20  95.0 %
Welch   3        96.5 % for equal spreads, 94.1 to 96.0 % from a ratio of 1.7 on
Welch   4        95.9 % for equal spreads, never below 94.4 %
Welch   5 to 20  94.6 to 95.6 %, whatever the spreads
======  =======  ===============================================================

With 3 runs a side Welch, here as in scipy, errs on the careful side by 1.5 points where both sides spread
alike. The alternatives cost more than that. Pooled variances are exact there and fall to 91 % where one side
spreads five times as much; Welch's other degrees of freedom (f + 2 for f, and 2 less) fall to 92.8 %. Of all
critical values between those of t with 2 and with 4 degrees of freedom, whatever function of the two sample
variances, the best give 94.0 to 96.1 %. Closer to 95 % come only rules that go below the normal's 1.96 where
both samples happen to spread alike, and so hold the truth in 79 % of just those cases: relevant subsets, as
R. A. Fisher found them in such tables (J. R. Stat. Soc. B 18 (1956) 56). A gate that must not cry wolf keeps
Welch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from energyprof.analysis.student_t import t_quantile, t_tail

__all__ = [
    "Design",
    "Estimate",
    "Noise",
    "Scale",
    "between_noise",
    "holm_levels",
    "one_sample_log",
    "one_sample_mean",
    "paired_difference",
    "paired_log_ratio",
    "sample_deviation",
    "welch_difference",
    "welch_log_ratio",
]


class Design(StrEnum):
    """How the runs of the two sides stand to each other."""

    ONE_SAMPLE = "one-sample"
    PAIRED = "paired"  # interleaved in one sitting, with the same seeds
    WELCH = "welch"  # two independent samples


class Scale(StrEnum):
    """What an estimate is."""

    RATIO = "ratio"  # head / base, compared as logarithms
    DIFFERENCE = "difference"  # head - base
    VALUE = "value"  # one sample: its geometric mean (of logarithms) or mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """An estimate with its interval and what is needed to form others.

    Attributes:
        value: ratio, difference, geometric mean or mean.
        low: lower end of the two-sided interval at ``confidence``.
        high: upper end.
        center: the estimate where the t statistic lives: the logarithm of ``value`` if ``log``.
        standard_error: of ``center``.
        df: degrees of freedom, by Welch and Satterthwaite where variances may differ.
        spread: standard deviation of one run (of one pair where paired), on the scale of ``center``.
        n_base: runs of base; 0 for one sample.
        n_head: runs of head.
    """

    design: Design
    scale: Scale
    log: bool
    value: float
    low: float
    high: float
    confidence: float
    center: float
    standard_error: float
    df: float
    spread: float
    n_base: int
    n_head: int

    @property
    def ratio(self) -> float:
        """Return ``value`` under the name that fits a ratio."""
        return self.value

    @property
    def n(self) -> str:
        """Return the counts as people write them: ``5 against 5``."""
        return f"{self.n_head} against {self.n_base}" if self.n_base else str(self.n_head)

    def lower(self, alpha: float) -> float:
        """Return the one-sided lower bound at level ``alpha``."""
        return self._leave(self.center - self._reach(alpha))

    def upper(self, alpha: float) -> float:
        """Return the one-sided upper bound at level ``alpha``."""
        return self._leave(self.center + self._reach(alpha))

    def p_above(self, limit: float) -> float:
        """Return the p-value of "the truth is at most ``limit``": small where the data lie above it."""
        return self._tail(self.center - self._enter(limit))

    def p_below(self, limit: float) -> float:
        """Return the p-value of "the truth is at least ``limit``": small where the data lie below it."""
        return self._tail(self._enter(limit) - self.center)

    def _reach(self, alpha: float) -> float:
        return t_quantile(1 - alpha, self.df) * self.standard_error if self.standard_error else 0.0

    def _tail(self, distance: float) -> float:
        if self.standard_error:
            return t_tail(distance / self.standard_error, self.df)
        return 0.0 if distance > 0 else 1.0

    def _enter(self, value: float) -> float:
        return math.log(value) if self.log else value

    def _leave(self, center: float) -> float:
        return _exp(center) if self.log else center


def welch_log_ratio(
    base: Sequence[float],
    head: Sequence[float],
    confidence: float = 0.95,
    *,
    between_sigma: float = 0.0,
    between_df: float = math.inf,
) -> Estimate:
    """Estimate the ratio head / base of geometric means of two independent samples.

    Args:
        base: positive, at least 2.
        head: positive, at least 2.
        confidence: of the two-sided interval.
        between_sigma: standard deviation of log means between sittings: where the two sides were measured in
            different ones, twice its square adds to the squared standard error.
        between_df: degrees of freedom that ``between_sigma`` was estimated with; infinite where it is given.

    Raises:
        ValueError: too few values, or one that is not positive and finite.
    """
    return _welch(_logs(base), _logs(head), confidence, Scale.RATIO, True, between_sigma, between_df)


def paired_log_ratio(base: Sequence[float], head: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Estimate the ratio head / base from pairs: ``base[i]`` and ``head[i]`` belong together.

    Raises:
        ValueError: unequal lengths, fewer than 2 pairs, or a value that is not positive and finite.
    """
    return _paired(_logs(base), _logs(head), confidence, Scale.RATIO, True)


def welch_difference(base: Sequence[float], head: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Estimate the difference head - base of means of two independent samples (accuracies)."""
    return _welch(_finite(base), _finite(head), confidence, Scale.DIFFERENCE, False, 0.0, math.inf)


def paired_difference(base: Sequence[float], head: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Estimate the mean difference head - base from pairs (accuracies under the same seeds)."""
    return _paired(_finite(base), _finite(head), confidence, Scale.DIFFERENCE, False)


def one_sample_log(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Estimate the geometric mean of at least 2 positive values."""
    return _one_sample(_logs(values), confidence, True)


def one_sample_mean(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Estimate the mean of at least 2 values."""
    return _one_sample(_finite(values), confidence, False)


def sample_deviation(values: Sequence[float]) -> float:
    """Return the sample standard deviation (divisor n - 1) of at least 2 values."""
    return math.sqrt(_variance(list(values)))


def holm_levels(p_values: Sequence[float], alpha: float) -> tuple[float, ...]:
    """Return the level that each hypothesis is judged at, so that all together err at most at ``alpha``.

    Hypothesis ``i`` is rejected by Holm's step-down procedure exactly where ``p_values[i] < levels[i]``.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    levels = [alpha] * len(p_values)
    level = 0.0
    for rank, index in enumerate(order):
        still_rejecting = rank == 0 or p_values[order[rank - 1]] < level
        if still_rejecting:
            level = alpha / (len(order) - rank)
        levels[index] = level
    return tuple(levels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """How much a metric moves on unchanged code, as standard deviations of its logarithm.

    Attributes:
        within: between runs of one sitting, or None where no sitting has two runs.
        between: between sittings, over and above what ``within`` explains, or None where it is not known.
        between_df: degrees of freedom of ``between``: sittings less one.
    """

    within: float | None
    between: float | None
    between_df: float


def between_noise(sittings: Sequence[Sequence[float]]) -> Noise:
    """Split the noise of a metric into within and between sittings (one-way random effects).

    ``between`` needs at least 3 sittings. It is the moment estimate by the variance of sitting means less
    what the runs' own noise puts into it, and never below zero.

    Args:
        sittings: positive values, one sequence a sitting.
    """
    logs = [_logs(sitting, least=1) for sitting in sittings]
    repeated = [values for values in logs if len(values) > 1]
    spare = sum(len(values) - 1 for values in repeated)
    within = math.sqrt(sum(_variance(v) * (len(v) - 1) for v in repeated) / spare) if repeated else None
    if len(logs) < 3:
        return Noise(within=within, between=None, between_df=float(max(len(logs) - 1, 0)))
    explained = (within or 0.0) ** 2 * sum(1 / len(values) for values in logs) / len(logs)
    between = math.sqrt(max(_variance([_mean(values) for values in logs]) - explained, 0.0))
    return Noise(within=within, between=between, between_df=float(len(logs) - 1))


def _welch(
    x: list[float],
    y: list[float],
    confidence: float,
    scale: Scale,
    log: bool,
    between_sigma: float,
    between_df: float,
) -> Estimate:
    from_base, from_head = _variance(x) / len(x), _variance(y) / len(y)
    from_between = 2 * between_sigma**2
    total = from_base + from_head + from_between
    parts = ((from_base, len(x) - 1), (from_head, len(y) - 1), (from_between, between_df))
    loose = sum(part**2 / own for part, own in parts)  # 0: equal figures, or all noise is of a known size
    df = total**2 / loose if loose else math.inf if total else len(x) + len(y) - 2
    spread = math.sqrt((_variance(x) * (len(x) - 1) + _variance(y) * (len(y) - 1)) / (len(x) + len(y) - 2))
    return _estimate(
        Design.WELCH,
        scale,
        log,
        confidence,
        _mean(y) - _mean(x),
        math.sqrt(total),
        df,
        spread,
        len(x),
        len(y),
    )


def _paired(x: list[float], y: list[float], confidence: float, scale: Scale, log: bool) -> Estimate:
    if len(x) != len(y):
        raise ValueError(f"pairs need as many values on both sides, not {len(x)} and {len(y)}")
    differences = [b - a for a, b in zip(x, y, strict=True)]
    spread, n = math.sqrt(_variance(differences)), len(differences)
    return _estimate(
        Design.PAIRED, scale, log, confidence, _mean(differences), spread / math.sqrt(n), n - 1, spread, n, n
    )


def _one_sample(values: list[float], confidence: float, log: bool) -> Estimate:
    spread, n = math.sqrt(_variance(values)), len(values)
    return _estimate(
        Design.ONE_SAMPLE,
        Scale.VALUE,
        log,
        confidence,
        _mean(values),
        spread / math.sqrt(n),
        n - 1,
        spread,
        0,
        n,
    )


def _estimate(
    design: Design,
    scale: Scale,
    log: bool,
    confidence: float,
    center: float,
    standard_error: float,
    df: float,
    spread: float,
    n_base: int,
    n_head: int,
) -> Estimate:
    reach = t_quantile((1 + confidence) / 2, df) * standard_error if standard_error else 0.0
    value, low, high = (_exp(c) if log else c for c in (center, center - reach, center + reach))
    return Estimate(
        design=design,
        scale=scale,
        log=log,
        value=value,
        low=low,
        high=high,
        confidence=confidence,
        center=center,
        standard_error=standard_error,
        df=df,
        spread=spread,
        n_base=n_base,
        n_head=n_head,
    )


def _logs(values: Sequence[float], least: int = 2) -> list[float]:
    if any(not (value > 0 and math.isfinite(value)) for value in values):
        raise ValueError("logarithms need positive, finite values")
    return [math.log(value) for value in _finite(values, least)]


def _finite(values: Sequence[float], least: int = 2) -> list[float]:
    listed = [float(value) for value in values]
    if len(listed) < least:
        raise ValueError(f"at least {least} values are needed, not {len(listed)}")
    if not all(map(math.isfinite, listed)):
        raise ValueError("values must be finite")
    return listed


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _variance(values: Sequence[float]) -> float:
    """Return the sample variance; exactly 0 where all values are equal, whatever the mean rounds to."""
    if min(values) == max(values):
        return 0.0
    center = _mean(values)
    return math.fsum((value - center) ** 2 for value in values) / (len(values) - 1)


def _exp(value: float) -> float:
    return math.exp(value) if value < 709 else math.inf
