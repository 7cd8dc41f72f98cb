"""What the gate decided, as data: every output is a pure function of it.

A rule's *verdict* says what the figures say; its *effect* says what that does here, by level and policies.
Only effects of ``error`` reach the exit code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

__all__ = [
    "VERDICT_SCHEMA",
    "BudgetVerdict",
    "Effect",
    "Outcome",
    "Reason",
    "RuleVerdict",
    "RunNote",
    "Verdict",
    "render_verdict",
    "verdict_json_schema",
    "verdict_of",
]

VERDICT_SCHEMA: Final = "energyprof.verdict/1"


class Outcome(StrEnum):
    """The four verdicts."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"


class Effect(StrEnum):
    """What a verdict does: nothing, a warning, or an exit code."""

    OK = "ok"
    WARN = "warn"
    ERROR = "error"


class Reason(StrEnum):
    """Why a rule could not be judged, or why its effect is less than its level says."""

    INCOMPARABLE = "incomparable"
    MISSING_BASELINE = "missing-baseline"
    MISSING_METRIC = "missing-metric"
    MISSING_RUNS = "missing-runs"
    UNFIT_RUNS = "unfit-runs"
    UNFIT_VALUES = "unfit-values"
    SAME_RUN = "same-run"
    TOO_FEW_RUNS = "too-few-runs"
    ESTIMATED = "estimated"
    UNKNOWN_NOISE = "unknown-noise"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleVerdict:
    """One limit of one metric, judged.

    Attributes:
        rule: ``max``, ``min``, ``max_increase``, ``max_decrease`` or ``reach_rate``.
        level: what the budget file says; ``enforced`` is whether it holds here (not for estimated joules).
        reason: why there is no judgement, or why it is not enforced.
        message: the whole story in one line.
        line: where the limit stands in the budget file.
        limit: in the metric's unit; for relative rules a fraction, or percentage points for accuracies.
        estimate: ratio to the baseline, difference, or the mean itself.
        low: one-sided lower bound at ``alpha_fail`` for an upper limit, at ``alpha`` for a lower one.
        high: the other bound.
        alpha: level of the bound that a pass needs.
        alpha_fail: level of the bound that a failure needs (less where several rules share it).
        detectable: the smallest relative change that this many runs find with a power of 80 %.
        runs_needed: about how many runs a side would decide, where undecided.
    """

    budget: str
    metric: str
    rule: str
    outcome: Outcome
    effect: Effect
    level: str
    enforced: bool
    message: str
    reason: Reason | None = None
    line: int | None = None
    guard: bool = False
    primary: bool = False
    improved: bool = False
    kind: str = "statistical"
    unit: str = ""
    limit: float | None = None
    limit_text: str = ""
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    base_value: float | None = None
    head_value: float | None = None
    n_head: int = 0
    n_base: int = 0
    design: str | None = None
    alpha: float | None = None
    alpha_fail: float | None = None
    detectable: float | None = None
    runs_needed: int | None = None

    @property
    def name(self) -> str:
        """Return ``energy_j max_increase``."""
        return f"{self.metric} {self.rule}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNote:
    """A run that was set aside, and why."""

    id: str
    side: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetVerdict:
    """One budget, judged. ``differences`` are the comparability keys in which the runs differ."""

    name: str
    why: str
    outcome: Outcome
    effect: Effect
    line: int | None
    rules: tuple[RuleVerdict, ...]
    head_runs: tuple[str, ...] = ()
    base_runs: tuple[str, ...] = ()
    baseline: str | None = None
    excluded: tuple[RunNote, ...] = ()
    differences: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The whole check."""

    schema: str = VERDICT_SCHEMA
    energyprof: str
    outcome: Outcome
    exit_code: int
    sentence: str
    strict: bool
    file: str | None
    budgets: tuple[BudgetVerdict, ...]
    warnings: tuple[str, ...] = field(default=())

    @property
    def rules(self) -> tuple[RuleVerdict, ...]:
        """Return all rules, worst first within nothing but the order of the file."""
        return tuple(rule for budget in self.budgets for rule in budget.rules)


_EXIT_CODES: Final = {Outcome.FAIL: 1, Outcome.INVALID: 4, Outcome.INCONCLUSIVE: 3}


def worst(rules: Iterable[RuleVerdict]) -> tuple[Outcome, Effect]:
    """Return the outcome that several rules have together, and what it does.

    An error decides: a failure before an invalid rule before an inconclusive one. Without one, anything that
    a rule of level ``error`` could not tell makes the whole inconclusive; it never makes it pass.
    """
    judged = list(rules)
    for outcome in _EXIT_CODES:
        if any(rule.outcome is outcome and rule.effect is Effect.ERROR for rule in judged):
            return outcome, Effect.ERROR
    warned = Effect.WARN if any(rule.effect is Effect.WARN for rule in judged) else Effect.OK
    untold = any(rule.outcome in _UNTOLD and rule.effect is not Effect.OK for rule in judged)
    return (Outcome.INCONCLUSIVE if untold else Outcome.PASS), warned


def verdict_of(
    budgets: Iterable[BudgetVerdict],
    *,
    file: str | None = None,
    strict: bool = False,
    warnings: Iterable[str] = (),
) -> Verdict:
    """Put judged budgets together: outcome, exit code and the sentence that says both."""
    from energyprof import __version__

    judged = tuple(budgets)
    rules = [rule for budget in judged for rule in budget.rules]
    outcome, effect = worst(rules)
    return Verdict(
        energyprof=__version__,
        outcome=outcome,
        exit_code=_EXIT_CODES[outcome] if effect is Effect.ERROR else 0,
        sentence=_sentence(outcome, effect, rules),
        strict=strict,
        file=file,
        budgets=judged,
        warnings=tuple(warnings),
    )


def _sentence(outcome: Outcome, effect: Effect, rules: list[RuleVerdict]) -> str:
    """Return ``FAIL: 1 of 6 rules is broken (mnist-mf: energy_j max_increase); 2 warnings.``"""
    decisive = [rule for rule in rules if _decides(rule, outcome, effect)]
    warned = sum(rule.effect is Effect.WARN for rule in rules)
    if outcome is Outcome.PASS:
        better = [rule for rule in rules if rule.improved]
        said = f"PASS: no enforced rule failed ({len(rules)} judged)"
        said += f"; improved: {_names(better)}" if better else ""
        return said + (f"; {_count(warned, 'warning')}: {_names(decisive)}." if warned else ".")
    said = f"{outcome.upper()}: {len(decisive)} of {_count(len(rules), 'rule')} {_VERBS[outcome]}"
    said += f" ({_names(decisive)})"
    if effect is not Effect.ERROR:
        return f"{said}; no enforced rule failed."
    return said + (f"; {_count(warned, 'warning')}." if warned else ".")


def _decides(rule: RuleVerdict, outcome: Outcome, effect: Effect) -> bool:
    if effect is Effect.ERROR:
        return rule.outcome is outcome and rule.effect is Effect.ERROR
    if outcome is Outcome.PASS:
        return rule.outcome is Outcome.FAIL
    return rule.outcome in _UNTOLD and rule.effect is Effect.WARN


_UNTOLD: Final = (Outcome.INCONCLUSIVE, Outcome.INVALID)

_VERBS: Final = {
    Outcome.FAIL: "broken",
    Outcome.INVALID: "could not be judged",
    Outcome.INCONCLUSIVE: "undecided",
}


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _names(rules: list[RuleVerdict]) -> str:
    shown = [f"{rule.budget}: {rule.name}" for rule in rules[:3]]
    more = len(rules) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def render_verdict(verdict: Verdict) -> str:
    """Return the verdict as JSON text, with a newline at its end."""
    return json.dumps(_finite(asdict(verdict)), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def verdict_json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a verdict."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(Verdict).json_schema(mode="serialization")
    schema["properties"]["schema"] = {"const": VERDICT_SCHEMA, "title": "Schema", "type": "string"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": VERDICT_SCHEMA,
        "description": "What energyprof check decided. Fields may be added within a version.",
    }


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return data
