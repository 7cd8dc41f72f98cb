"""``energyprof schema``: the published JSON Schemas."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

__all__ = ["EXAMPLE", "schema"]

EXAMPLE = "Example:  energyprof schema run > report.schema.json"


class SchemaName(StrEnum):
    """What has a schema."""

    RUN = "run"


def schema(name: Annotated[SchemaName, typer.Argument(help="Which document.")]) -> None:
    """Print the JSON Schema of a document that energyprof writes or reads."""
    from energyprof.record.schema import report_json_schema

    typer.echo(json.dumps(report_json_schema(), indent=2))
