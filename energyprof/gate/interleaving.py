"""One sitting, two sides: A B B A A B B A, looked at after 3, 5 and 8 runs a side, stopped when decided.

A machine that warms up, or a neighbour that comes and goes, moves both sides alike when they take turns. Run
one after the other, five runs a side with a spread of 1 % and a 4 % thermal ramp, unchanged code looks dearer
in 87 % of cases; interleaved in under 6 %, which is the level of the test (``benchmarks/gate_power.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from energyprof.errors import UsageError
from energyprof.gate.budget import Budget, BudgetBook, Level, Limit, LimitKind, MetricBudget
from energyprof.gate.case import Base
from energyprof.gate.check import check_budgets
from energyprof.gate.metric import metric_named
from energyprof.gate.observation import GateRun, observe
from energyprof.gate.sides import select_runs
from energyprof.gate.verdict import Effect, Outcome, Reason, Verdict

__all__ = ["Sitting", "Turn", "ad_hoc_book", "judge_sides", "planned_looks", "run_sitting", "turns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One run to be made: the pair it belongs to is also its seed."""

    pair: int
    side: str  # "base" or "head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitting:
    """What a sitting gave: the verdict of the last look, and the runs."""

    verdict: Verdict
    base: tuple[GateRun, ...]
    head: tuple[GateRun, ...]


def turns(pairs: int) -> Iterator[Turn]:
    """Yield the turns of a sitting: base head, head base, base head ..."""
    for pair in range(pairs):
        order = ("base", "head") if pair % 2 == 0 else ("head", "base")
        yield from (Turn(pair=pair, side=side) for side in order)


def planned_looks(book: BudgetBook, seeds: int | None) -> tuple[int, ...]:
    """Return after how many runs a side a sitting is judged; the last one ends it.

    Args:
        book: its first budget plans the looks.
        seeds: the most runs a side; None for the plan's last look.

    Raises:
        UsageError: fewer than 3 seeds.
    """
    plan = book.budgets[0].policies.looks
    if seeds is None:
        return plan
    if seeds < 3:
        raise UsageError(f"{seeds} seeds give no interval: at least 3 runs a side")
    return tuple(sorted({*(look for look in plan if look < seeds), seeds}))


def run_sitting(
    book: BudgetBook,
    looks: Sequence[int],
    perform: Callable[[Turn], GateRun],
    pause: Callable[[], None],
    *,
    strict: bool = False,
) -> Sitting:
    """Take turns until a look decides or the last one is reached.

    Args:
        book: what both sides are judged by: limits of head, and of head against base.
        looks: runs a side after which to judge.
        perform: makes one run.
        pause: lets the machine cool down between two runs.
        strict: whether an undecided end counts.
    """
    planned = _with_looks(book, tuple(looks))
    sides: dict[str, list[GateRun]] = {"base": [], "head": []}
    verdict = None
    for turn in turns(looks[-1]):
        if verdict is not None or turn != Turn(pair=0, side="base"):
            pause()
        sides[turn.side].append(perform(turn))
        done = len(sides["base"])
        if done == len(sides["head"]) and done in (1, *looks):
            verdict = judge_sides(planned, sides["base"], sides["head"], strict=strict)
            if _is_settled(verdict, done in looks):
                break
    assert verdict is not None
    return Sitting(verdict=verdict, base=tuple(sides["base"]), head=tuple(sides["head"]))


def _is_settled(verdict: Verdict, look: bool) -> bool:
    """Tell whether more runs would change nothing: a look has decided, or the first pair is of two things."""
    if look:
        return verdict.outcome is not Outcome.INCONCLUSIVE
    return any(rule.effect is Effect.ERROR and rule.reason in _HOPELESS for rule in verdict.rules)


_HOPELESS: Final = (
    Reason.INCOMPARABLE,
    Reason.MISSING_BASELINE,
    Reason.MISSING_METRIC,
    Reason.MISSING_RUNS,
    Reason.UNFIT_VALUES,
)


def judge_sides(
    book: BudgetBook, base: Sequence[GateRun], head: Sequence[GateRun], *, strict: bool = False
) -> Verdict:
    """Judge head against base at a planned look."""

    def other_side(budget: Budget, _head: object) -> Base:
        chosen = select_runs(budget, base)
        missing = None if chosen else "no base run matches this budget"
        return Base(runs=tuple(observe(run, budget) for run in chosen), missing=missing)

    return check_budgets(book, head, other_side, strict=strict, planned_look=True)


def ad_hoc_book(
    margin: float, text: str, metric: str = "energy_j", across_learners: bool = False
) -> BudgetBook:
    """Return the budget of a sitting without a budget file: one metric may grow by a margin."""
    limit = Limit(kind=LimitKind.MAX_INCREASE, value=margin, text=text)
    entry = MetricBudget(metric=metric_named(metric), limits=(limit,), level=Level.ERROR, primary=True)
    budget = Budget(
        name="ab",
        metrics=(entry,),
        unguarded="without a budget file only one metric is judged",
        across_learners=across_learners,
    )
    return BudgetBook(budgets=(budget,))


def _with_looks(book: BudgetBook, looks: tuple[int, ...]) -> BudgetBook:
    budgets = (replace(budget, policies=replace(budget.policies, looks=looks)) for budget in book.budgets)
    return replace(book, budgets=tuple(budgets))
