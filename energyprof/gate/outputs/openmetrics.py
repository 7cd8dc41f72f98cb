"""A verdict in the OpenMetrics text format, for a dashboard that watches budgets over time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final

from energyprof.gate.verdict import Outcome, RuleVerdict, Verdict

__all__ = ["render_openmetrics"]

_FAMILIES: Final[tuple[tuple[str, str, Callable[[RuleVerdict], float | None]], ...]] = (
    (
        "estimate",
        "What was measured: a ratio to the baseline, a difference, or a mean.",
        lambda r: r.estimate,
    ),
    ("low", "Lower bound of the estimate.", lambda r: r.low),
    ("high", "Upper bound of the estimate.", lambda r: r.high),
    ("limit", "The limit, as the budget file means it.", lambda r: r.limit),
    ("enforced", "1 where breaking the rule fails the check.", lambda r: float(r.enforced)),
    ("runs", "Runs that were judged.", lambda r: float(r.n_head)),
)


def render_openmetrics(verdict: Verdict) -> str:
    """Return the verdict as OpenMetrics text, ending in ``# EOF``."""
    return "\n".join(_lines(verdict)) + "\n"


def _lines(verdict: Verdict) -> Iterator[str]:
    yield "# TYPE energyprof_gate_exit_code gauge"
    yield "# HELP energyprof_gate_exit_code Exit code of the check."
    yield f"energyprof_gate_exit_code {verdict.exit_code}"
    yield "# TYPE energyprof_gate_rule_outcome stateset"
    yield "# HELP energyprof_gate_rule_outcome The verdict of a rule."
    for rule in verdict.rules:
        for outcome in Outcome:
            labels = _labels(rule, energyprof_gate_rule_outcome=outcome.value)
            yield f"energyprof_gate_rule_outcome{labels} {int(rule.outcome is outcome)}"
    for name, meaning, read in _FAMILIES:
        yield f"# TYPE energyprof_gate_rule_{name} gauge"
        yield f"# HELP energyprof_gate_rule_{name} {meaning}"
        for rule in verdict.rules:
            value = read(rule)
            if value is not None:
                yield f"energyprof_gate_rule_{name}{_labels(rule)} {_number(value)}"
    yield "# EOF"


def _labels(rule: RuleVerdict, **more: str) -> str:
    labels = {"budget": rule.budget, "metric": rule.metric, "rule": rule.rule, **more}
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value))
