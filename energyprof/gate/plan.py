"""How many runs a question costs: from the noise of a metric to runs a side and what they can tell.

Planned for two independent samples (Welch), the cautious design; pairs need no more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from energyprof.analysis.detectability import MOST_RUNS, detectable_effect, runs_needed
from energyprof.analysis.statistics import Noise
from energyprof.errors import UsageError
from energyprof.gate.baseline import noise_of
from energyprof.gate.observation import GateRun, observe
from energyprof.gate.sides import mixture
from energyprof.gate.wording import share_text

__all__ = ["Plan", "PlanRow", "observed_noise", "plan_runs", "plan_to_json", "render_plan"]

_POWER: Final = 0.8
_SURE: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """What a number of runs a side can tell.

    Attributes:
        detectable: smallest relative change told from none with a power of 80 %.
        regression: smallest true increase that fails with a power of 80 %.
        passing_margin: smallest margin that unchanged code keeps in 95 % of checks.
    """

    runs: int
    detectable: float
    regression: float
    passing_margin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Runs a side for one metric and margin.

    Attributes:
        within: standard deviation of the logarithm between runs of one sitting.
        between: between sittings; 0 where both sides run in one sitting (``energyprof ab``).
        runs_80: runs a side with which unchanged code passes in 80 % of checks; None where no number does.
        runs_95: the same in 95 %.
    """

    metric: str
    margin: float
    alpha: float
    within: float
    between: float
    runs_80: int | None
    runs_95: int | None
    rows: tuple[PlanRow, ...]


def plan_runs(
    metric: str,
    margin: float,
    within: float,
    *,
    between: float = 0.0,
    alpha: float = 0.05,
    counts: Sequence[int] = (3, 5, 8, 12, 20),
) -> Plan:
    """Plan runs for a relative limit.

    Args:
        metric: its name, for the record.
        margin: allowed increase, as a fraction.
        within: noise between runs of a sitting, as a standard deviation of the logarithm.
        between: noise between sittings.
        alpha: one-sided level.
        counts: runs a side to tabulate.

    Raises:
        UsageError: a margin or a noise that cannot be meant.
    """
    if not 0 < margin < 10:
        raise UsageError(f"a margin of {margin:g} cannot be planned for: give a share above 0%, such as 5%")
    if not (0 <= within < 1 and 0 <= between < 1):
        raise UsageError("noise must lie between 0% and 100%")
    room = math.log1p(margin)

    def runs(power: float) -> int | None:
        return runs_needed(within, room, alpha=alpha, power=power, between_sigma=between)

    return Plan(
        metric=metric,
        margin=margin,
        alpha=alpha,
        within=within,
        between=between,
        runs_80=runs(_POWER),
        runs_95=runs(_SURE),
        rows=tuple(_row(n, room, within, between, alpha) for n in counts),
    )


def observed_noise(runs: Sequence[GateRun], metric: str) -> Noise:
    """Return the noise that some runs of the same thing show.

    Raises:
        UsageError: too few of them, or they are not of the same thing.
    """
    seen = [observe(run) for run in runs]
    mixed = mixture(seen)
    if mixed:
        raise UsageError(mixed)
    noise = noise_of(seen).get(metric)
    if noise is None or noise.within is None:
        raise UsageError(f"{len(runs)} runs show no noise of {metric}: give at least 3 of one sitting")
    return noise


def render_plan(plan: Plan) -> str:
    """Return a plan as text."""
    return "\n".join(_lines(plan)) + "\n"


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON values."""
    return {"schema": "energyprof.plan/1", **asdict(plan)}


def _row(n: int, room: float, within: float, between: float, alpha: float) -> PlanRow:
    error = math.sqrt(2 * within**2 / n + 2 * between**2)
    effect = detectable_effect(error, 2 * n - 2, alpha, _POWER)
    return PlanRow(
        runs=n,
        detectable=math.expm1(effect),
        regression=math.expm1(room + effect),
        passing_margin=math.expm1(detectable_effect(error, 2 * n - 2, alpha, _SURE)),
    )


def _lines(plan: Plan) -> Iterator[str]:
    where = f", {share_text(plan.between)} between sittings" if plan.between else ""
    noise = f"noise {share_text(plan.within)} between runs{where}"
    yield f"{plan.metric}, margin {plan.margin * 100:.3g} %, {noise}, one-sided level {plan.alpha:g}"
    for share, runs in (("80 %", plan.runs_80), ("95 %", plan.runs_95)):
        yield (
            f"unchanged code passes in {share} of checks with {runs} runs a side"
            if runs
            else f"no number of runs a side up to {MOST_RUNS} lets unchanged code pass in {share} of checks: "
            f"the noise is too large for this margin"
        )
    yield ""
    yield "runs a side   detectable change   regression that fails   margin that unchanged code keeps"
    yield "              (power 80 %)        (power 80 %)            (95 %)"
    for row in plan.rows:
        yield (
            f"{row.runs:>11}   {share_text(row.detectable):>17}   {share_text(row.regression):>21}   "
            f"{share_text(row.passing_margin):>32}"
        )
