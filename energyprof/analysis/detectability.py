"""What a number of runs can detect, and how many runs a difference needs."""

from __future__ import annotations

import math
from typing import Final

from energyprof.analysis.statistics import Design
from energyprof.analysis.student_t import t_quantile

__all__ = ["MOST_RUNS", "detectable_effect", "runs_needed"]

MOST_RUNS: Final = 1000  # a plan that asks for more is no plan


def detectable_effect(standard_error: float, df: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """Return the minimum detectable effect: what a one-sided test at ``alpha`` finds with that power.

    On the scale of ``standard_error``; ``exp`` of it minus 1 is the detectable increase of a log ratio.
    """
    return (t_quantile(1 - alpha, df) + t_quantile(power, df)) * standard_error if standard_error else 0.0


def runs_needed(
    spread: float,
    gap: float,
    *,
    alpha: float = 0.05,
    power: float = 0.5,
    design: Design = Design.WELCH,
    between_sigma: float = 0.0,
) -> int | None:
    """Return the runs a side with which a gap to a limit would be told apart from none.

    Args:
        spread: standard deviation of one run (of one pair's difference where paired).
        gap: distance of the truth from the limit, on the same scale; its sign does not matter.
        alpha: one-sided level.
        power: probability of deciding; 0.5 where ``gap`` is only an estimate.
        design: paired and one-sample designs have one variance, Welch two.
        between_sigma: see :func:`energyprof.analysis.statistics.welch_log_ratio`; more runs do not reduce it.

    Returns:
        The count, at least 3, or None where more than 1000 would be needed.
    """
    if gap == 0:
        return None
    variances = 2 if design is Design.WELCH else 1
    fixed = 2 * between_sigma**2 if design is Design.WELCH else 0.0
    reach = t_quantile(1 - alpha, math.inf) + t_quantile(power, math.inf)
    room = (gap / reach) ** 2 - fixed  # what runs may add to the squared standard error, at the very most
    if room <= 0:
        return None
    least = variances * spread**2 / room
    for n in range(max(3, math.ceil(min(least, MOST_RUNS + 1) * (1 - 1e-9))), MOST_RUNS + 1):
        df = variances * (n - 1)
        if detectable_effect(math.sqrt(variances * spread**2 / n + fixed), df, alpha, power) <= abs(gap):
            return n
    return None
