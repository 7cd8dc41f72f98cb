"""From what a person wrote as a limit to a number in the canonical unit, or to a problem."""

from __future__ import annotations

import math

from energyprof.errors import UsageError
from energyprof.gate.budget import Limit, LimitKind
from energyprof.gate.budget_file import ProblemSink
from energyprof.gate.budget_schema import Amount
from energyprof.gate.metric import Metric
from energyprof.gate.toml_lines import KeyPath
from energyprof.units import is_bare_share, parse_quantity

__all__ = ["amount_of", "limit_of"]


def limit_of(
    metric: Metric, kind: LimitKind, amount: Amount | None, sink: ProblemSink, place: KeyPath
) -> Limit | None:
    """Return the limit that an amount means, or None where there is none or it cannot be meant."""
    dimension = _dimension(metric, kind)
    value = amount_of(amount, dimension, sink, (*place, kind.value))
    if value is None:
        return None
    problem = _impossible(metric, kind, value)
    if not problem and kind.is_relative and dimension == "fraction" and is_bare_share(str(amount), value):
        problem = f'it would mean {value:.0%}; write "{value:g}%"'
    if problem:
        sink.add(f"{kind.value} of '{metric.name}' is {amount}: {problem}", *place, kind.value)
        return None
    text = amount if isinstance(amount, str) else _with_unit(value, dimension)
    return Limit(kind=kind, value=value, text=text, line=sink.line(*place, kind.value))


def _dimension(metric: Metric, kind: LimitKind) -> str:
    if not kind.is_relative:
        return metric.dimension
    return "pp" if metric.is_accuracy else "fraction"


def _with_unit(value: float, dimension: str) -> str:
    if dimension == "fraction":
        return f"{value * 100:.10g}%"
    return f"{value:.10g}" if dimension == "count" else f"{value:.10g} {dimension}"


def _impossible(metric: Metric, kind: LimitKind, value: float) -> str | None:
    """Say why no run could be meant by a limit, or None."""
    if metric.is_accuracy:
        most = 100.0 if kind.is_relative else 1.0
        return (
            None
            if 0 <= value <= most
            else "an accuracy lies between 0 and 1, its change between 0 and 100 pp"
        )
    if kind is LimitKind.MAX_DECREASE and not 0 <= value < 1:
        return "it must lie between 0% and 100%"
    if kind is LimitKind.MAX_INCREASE and value < 0:
        return "it must not be negative"
    if not kind.is_relative and value <= 0:
        return "it must be above zero"
    return None


def amount_of(amount: Amount | None, dimension: str, sink: ProblemSink, place: KeyPath) -> float | None:
    """Return an amount in the canonical unit; None where there is none or it cannot be meant."""
    if amount is None:
        return None
    try:
        return _parsed(amount, dimension)
    except (UsageError, OverflowError) as error:
        sink.add(f"{place[-1]}: {error}", *place)
        return None


def _parsed(amount: Amount, dimension: str) -> float:
    if isinstance(amount, str):
        if dimension == "count":
            return _count(amount)
        return parse_quantity(amount, dimension)
    if not math.isfinite(amount):
        raise UsageError(f"{amount} is not finite: a limit is a number that a run can have")
    return float(amount)


def _count(text: str) -> float:
    try:
        value = float(text.replace(",", "").replace("_", ""))
    except ValueError:
        raise UsageError(f"'{text}' is not a plain number: it counts something and has no unit") from None
    if not math.isfinite(value):
        raise UsageError(f"'{text}' is not finite")
    return value
