"""``energyprof schema``: the published JSON Schemas."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

__all__ = ["EXAMPLE", "schema"]

EXAMPLE = "Example:  energyprof schema run > report.schema.json"


class SchemaName(StrEnum):
    """What has a schema."""

    RUN = "run"
    BUDGET = "budget"
    VERDICT = "verdict"


def schema(name: Annotated[SchemaName, typer.Argument(help="Which document.")]) -> None:
    """Print the JSON Schema of a document that energyprof writes or reads."""
    typer.echo(json.dumps(_schema_of(name), indent=2))


def _schema_of(name: SchemaName) -> dict[str, Any]:
    if name is SchemaName.BUDGET:
        from energyprof.gate.budget_schema import budget_json_schema

        return budget_json_schema()
    if name is SchemaName.VERDICT:
        from energyprof.gate.verdict import verdict_json_schema

        return verdict_json_schema()
    from energyprof.record.schema import report_json_schema

    return report_json_schema()
