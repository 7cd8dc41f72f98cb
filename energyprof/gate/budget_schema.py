"""The shape of a budget file, as pydantic sees it; also the source of its published JSON Schema."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from energyprof.gate.budget import BUDGET_SCHEMA

__all__ = ["BudgetDocument", "BudgetTable", "LimitsTable", "PolicyTable", "TargetTable", "budget_json_schema"]

Amount = int | float | str
LevelName = Literal["off", "warn", "error"]
PolicyName = Literal["pass", "warn", "error"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class PolicyTable(_Table):
    """Settings that stand in ``[defaults]`` and may be repeated in a budget."""

    level: LevelName | None = None
    alpha: Annotated[float, Field(gt=0, lt=0.5)] | None = None
    looks: Annotated[list[Annotated[int, Field(ge=3, le=100)]], Field(min_length=1, max_length=10)] | None = (
        None
    )
    guard_band: Amount | None = None
    on_inconclusive: PolicyName | None = None
    on_missing_baseline: PolicyName | None = None
    on_missing_metric: PolicyName | None = None
    on_incomparable: PolicyName | None = None
    exclude_flags: list[str] | None = None


class LimitsTable(_Table):
    """The limits of one metric: ``[budget.metrics.energy_j]``."""

    max: Amount | None = None
    min: Amount | None = None
    max_increase: Amount | None = None
    max_decrease: Amount | None = None
    primary: bool = False
    kind: Literal["statistical", "deterministic"] | None = None
    level: LevelName | None = None


class TargetTable(_Table):
    """What counts as having learned: ``[budget.target]``."""

    metric: str = "validation_accuracy"
    value: Amount
    sustained: Annotated[int, Field(ge=1, le=1000)] = 1


class BudgetTable(PolicyTable):
    """One ``[[budget]]``."""

    name: Name
    why: str = ""
    select: dict[str, str | int | list[str | int]] = {}
    baseline: str | None = None
    unguarded: Annotated[str, Field(min_length=1)] | None = None
    target: TargetTable | None = None
    metrics: dict[str, LimitsTable] = {}
    quality: dict[str, LimitsTable] = {}


class BudgetDocument(_Table):
    """A whole ``energyprof.toml``, or ``[tool.energyprof]``."""

    schema_: Literal["energyprof.budget/1"] = Field(alias="schema")
    defaults: PolicyTable = PolicyTable()
    noise: dict[str, dict[str, Amount]] = {}
    budget: list[BudgetTable] = []


_TABLES: Final[dict[tuple[str, ...], type[BaseModel]]] = {
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
            return [field.alias or name for name, field in table.model_fields.items()]
    return []


def budget_json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a budget file's contents."""
    schema = BudgetDocument.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": BUDGET_SCHEMA,
        "description": "Energy budgets: energyprof.toml, or [tool.energyprof] in pyproject.toml.",
    }
