"""One arm against another: a ratio with its interval, what it says, and the runs that are still needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from energyprof.analysis.detectability import runs_needed
from energyprof.analysis.pairing import paired_runs
from energyprof.analysis.statistics import (
    Design,
    Estimate,
    paired_difference,
    paired_log_ratio,
    welch_difference,
    welch_log_ratio,
)
from energyprof.analysis.yardsticks import CONFIDENCE, Yardstick
from energyprof.record.model import Report

__all__ = ["Ratio", "Verdict", "ratio_of", "ratio_of_values"]


class Verdict(StrEnum):
    """What a ratio to the reference says."""

    LESS = "less"
    MORE = "more"
    EQUAL = "equal within the margin"
    UNDECIDED = "cannot tell yet"
    SINGLE = "one run a side: no interval"
    MISSING = "not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """An arm's figure against the reference's: a ratio, or a difference for accuracies.

    Attributes:
        low: lower end of the 95 % interval, or None where a side has fewer than two runs.
        bound_low: for one run a side: lower bound that the sensors guarantee, or None.
        more_runs: about so many runs a side would decide, where it is undecided; None where none would.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    bound_low: float | None = None
    bound_high: float | None = None
    n_reference: int = 0
    n: int = 0
    design: Design | None = None
    verdict: Verdict = Verdict.MISSING
    more_runs: int | None = None


def ratio_of(base: Sequence[Report], head: Sequence[Report], figure: Yardstick, margin: float) -> Ratio:
    """Hold the runs of an arm against those of the reference.

    Args:
        base: runs of the reference.
        head: runs of the arm.
        figure: what is compared.
        margin: what counts as equal, as a fraction.
    """
    xs, ys = [figure.read(r) for r in base], [figure.read(r) for r in head]
    if not _usable(xs, figure.log) or not _usable(ys, figure.log):
        return Ratio(value=None, n_reference=len(base), n=len(head))
    pairs = paired_runs(base, head)
    first, second = [float(x) for x in xs if x is not None], [float(y) for y in ys if y is not None]
    if pairs is not None:
        first, second = [first[i] for i, _ in pairs], [second[j] for _, j in pairs]
    ratio = ratio_of_values(first, second, figure.log, margin, paired=pairs is not None)
    if figure.name == "energy_j" and ratio.verdict is Verdict.SINGLE:
        return _with_bounds(ratio, base[0], head[0])
    return ratio


def _usable(values: Sequence[float | None], log: bool) -> bool:
    return bool(values) and all(v is not None and math.isfinite(v) and (v > 0 or not log) for v in values)


def ratio_of_values(
    base: Sequence[float], head: Sequence[float], log: bool, margin: float, *, paired: bool
) -> Ratio:
    """Hold values against values, both finite and not empty; positive where ``log``."""
    if min(len(base), len(head)) < 2:
        return Ratio(
            value=_geometric(head) / _geometric(base) if log else _mean(head) - _mean(base),
            n_reference=len(base),
            n=len(head),
            verdict=Verdict.SINGLE,
        )
    if log:
        estimate = (paired_log_ratio if paired else welch_log_ratio)(base, head, CONFIDENCE)
    else:
        estimate = (paired_difference if paired else welch_difference)(base, head, CONFIDENCE)
    verdict = _verdict(estimate, margin)
    return Ratio(
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        n_reference=estimate.n_base,
        n=estimate.n_head,
        design=estimate.design,
        verdict=verdict,
        more_runs=_more_runs(estimate) if verdict is Verdict.UNDECIDED else None,
    )


def _verdict(estimate: Estimate, margin: float) -> Verdict:
    nothing = 1.0 if estimate.log else 0.0
    if estimate.log and 1 / (1 + margin) <= estimate.low and estimate.high <= 1 + margin:
        return Verdict.EQUAL
    if estimate.high < nothing:
        return Verdict.LESS
    return Verdict.MORE if estimate.low > nothing else Verdict.UNDECIDED


def _more_runs(estimate: Estimate) -> int | None:
    """Return the runs a side with which the 95 % interval would leave out "no difference"."""
    return runs_needed(estimate.spread, estimate.center, alpha=(1 - CONFIDENCE) / 2, design=estimate.design)


def _with_bounds(ratio: Ratio, base: Report, head: Report) -> Ratio:
    ours, theirs = head.totals.energy_j, base.totals.energy_j
    bounds = (ours.low, ours.high, theirs.low, theirs.high)
    if any(b is None or b <= 0 for b in bounds) or ratio.n != 1 or ratio.n_reference != 1:
        return ratio
    low, high = (ours.low or 0.0) / (theirs.high or 1.0), (ours.high or 0.0) / (theirs.low or 1.0)
    return Ratio(value=ratio.value, bound_low=low, bound_high=high, n_reference=1, n=1, verdict=ratio.verdict)


def _geometric(values: Sequence[float]) -> float:
    return math.exp(math.fsum(map(math.log, values)) / len(values))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
