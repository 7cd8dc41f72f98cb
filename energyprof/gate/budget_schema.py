"""The shape of a budget file, as dataclasses; also the source of its published JSON Schema."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal

from energyprof.gate.budget import BUDGET_SCHEMA

__all__ = [
    "BudgetDocument",
    "BudgetTable",
    "LimitsTable",
    "PolicyTable",
    "TargetTable",
    "budget_json_schema",
    "known_keys",
]

Amount = int | float | str
LevelName = Literal["off", "warn", "error"]
PolicyName = Literal["pass", "warn", "error"]

_CLOSED: Final = {"extra": "forbid"}  # no other keys, in the JSON Schema too


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTable:
    """Settings that stand in ``[defaults]`` and may be repeated in a budget."""

    __pydantic_config__ = _CLOSED

    level: LevelName | None = None
    alpha: float | None = None
    looks: list[int] | None = None
    guard_band: Amount | None = None
    on_inconclusive: PolicyName | None = None
    on_missing_baseline: PolicyName | None = None
    on_missing_metric: PolicyName | None = None
    on_incomparable: PolicyName | None = None
    exclude_flags: list[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsTable:
    """The limits of one metric: ``[budget.metrics.energy_j]``."""

    __pydantic_config__ = _CLOSED

    max: Amount | None = None
    min: Amount | None = None
    max_increase: Amount | None = None
    max_decrease: Amount | None = None
    primary: bool = False
    kind: Literal["statistical", "deterministic"] | None = None
    level: LevelName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetTable:
    """What counts as having learned: ``[budget.target]``."""

    __pydantic_config__ = _CLOSED

    metric: str = "validation_accuracy"
    value: Amount
    sustained: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetTable(PolicyTable):
    """One ``[[budget]]``."""

    __pydantic_config__ = _CLOSED

    name: str
    why: str = ""
    select: dict[str, str | int | list[str | int]] = field(default_factory=dict)
    baseline: str | None = None
    unguarded: str | None = None
    target: TargetTable | None = None
    metrics: dict[str, LimitsTable] = field(default_factory=dict)
    quality: dict[str, LimitsTable] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetDocument:
    """A whole ``energyprof.toml``, or ``[tool.energyprof]``."""

    __pydantic_config__ = _CLOSED

    schema: Literal["energyprof.budget/1"]
    defaults: PolicyTable = field(default_factory=PolicyTable)
    noise: dict[str, dict[str, Amount]] = field(default_factory=dict)
    budget: list[BudgetTable] = field(default_factory=list)


_TABLES: Final[dict[tuple[str, ...], type[Any]]] = {
    (): BudgetDocument,
    ("defaults",): PolicyTable,
    ("budget", "*"): BudgetTable,
    ("budget", "*", "target"): TargetTable,
    ("budget", "*", "metrics", "*"): LimitsTable,
    ("budget", "*", "quality", "*"): LimitsTable,
}


def known_keys(path: tuple[str | int, ...]) -> list[str]:
    """Return the keys that a table may have, by its place in the document."""
    for pattern, table in _TABLES.items():
        fits = len(pattern) == len(path) and all(p in ("*", q) for p, q in zip(pattern, path, strict=True))
        if fits:
            return [entry.name for entry in fields(table)]
    return []


def budget_json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a budget file's contents."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(BudgetDocument).json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": BUDGET_SCHEMA,
        "description": "Energy budgets: energyprof.toml, or [tool.energyprof] in pyproject.toml.",
    }
