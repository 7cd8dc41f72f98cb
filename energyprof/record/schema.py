"""``report.json`` both ways, and its published JSON Schema.

The schema is derived from the dataclasses of :mod:`energyprof.record.model`, so the two cannot drift apart.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from energyprof.errors import OutputError, RecordError
from energyprof.record.decoding import Misfit, decode
from energyprof.record.json_lines import line_of_literal, line_of_place, misfit_words
from energyprof.record.model import SCHEMA, Report

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = [
    "misfits_of",
    "parse_report",
    "read_report",
    "render_report",
    "report_json_schema",
    "write_report",
    "write_text",
]


@cache
def _adapter() -> TypeAdapter[Report]:
    from pydantic import TypeAdapter

    return TypeAdapter(Report)


def report_json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of ``report.json``."""
    schema = _adapter().json_schema(mode="serialization")
    schema["properties"]["schema"] = {"const": SCHEMA, "title": "Schema", "type": "string"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": SCHEMA,
        "description": "One profiled run. Fields may be added within a version; none is ever removed.",
        **{key: value for key, value in schema.items() if key not in ("title", "description")},
    }


def render_report(report: Report) -> str:
    """Return the report as JSON text: stable key order, no NaN or infinity (null), a newline at the end."""
    data = _finite(_adapter().dump_python(report, mode="json", warnings=False, fallback=_plain))
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def misfits_of(kind: type, values: Mapping[str, Any]) -> list[Misfit]:
    """Return which values for fields of an object in a report could not be read again once written.

    Args:
        kind: the dataclass of the object.
        values: some of its fields.
    """
    from pydantic_core import to_jsonable_python

    data = _finite(to_jsonable_python(dict(values), fallback=_plain, serialize_unknown=True))
    return [misfit for misfit in decode(kind, data)[1] if misfit.path[0] in values]


def parse_report(text: str, origin: str = "report") -> Report:
    """Read a report from JSON text.

    Args:
        text: the JSON.
        origin: what to call it in messages, usually its path.

    Raises:
        RecordError: it is truncated, foreign, of a newer schema, or a field has an impossible value.
    """
    data = _load(text, origin)
    if not isinstance(data, dict) or not str(data.get("schema", "")).startswith("energyprof.report/"):
        raise RecordError(f"{origin} is no energyprof report: it has no schema '{SCHEMA}'")
    if data["schema"] != SCHEMA:
        raise RecordError(
            f"{origin}:{line_of_place(text, ('schema',))}: it has schema '{data['schema']}', this energyprof "
            f"reads '{SCHEMA}': read it with the energyprof that wrote it, or upgrade"
        )
    report, misfits = decode(Report, data)
    if report is not None:
        return report
    more = f" (and {len(misfits) - 1} more)" if len(misfits) > 1 else ""
    line = line_of_place(text, misfits[0].path)
    raise RecordError(f"{origin}:{line}: {misfit_words(misfits[0])}{more}")


def read_report(path: str | Path) -> Report:
    """Read ``report.json``.

    Raises:
        RecordError: it cannot be read or is no report; see :func:`parse_report`.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"cannot read {path}: {error}") from error
    return parse_report(text, str(path))


def write_report(report: Report, path: str | Path) -> None:
    """Write ``report.json`` whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    write_text(Path(path), render_report(report))


def write_text(path: Path, text: str) -> None:
    """Replace a file by rename, so that a reader never sees half of it.

    Raises:
        OutputError: it cannot be written; nothing is left behind and an older file stays.
    """
    import tempfile  # 5 ms that readers need not wait for

    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


@cache
def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _load(text: str, origin: str) -> Any:
    def refuse(constant: str) -> NoReturn:
        line = line_of_literal(text, lambda word: word == constant)
        raise RecordError(
            f"{origin}:{line}: it holds {constant}: JSON has no such value, a missing figure is null"
        )

    def finite(literal: str) -> float:
        value = float(literal)
        return value if math.isfinite(value) else refuse(literal)

    try:
        return json.loads(text, parse_constant=refuse, parse_float=finite)
    except json.JSONDecodeError as error:
        raise RecordError(
            f"{origin}:{error.lineno}: it is not whole JSON: {error.msg}; "
            "rebuild it from its trace with 'energyprof report build'"
        ) from error
    except ValueError as error:  # an integer of thousands of digits
        line = line_of_literal(text, lambda word: len(word) > sys.get_int_max_str_digits() > 0)
        raise RecordError(f"{origin}:{line}: it holds a number that no figure can be: {error}") from error
    except RecursionError as error:
        raise RecordError(f"{origin} is nested too deeply to be a report") from error


def _plain(value: Any) -> Any:
    """Turn a numpy scalar or an unknown object in somebody's configuration into what JSON has."""
    return value.item() if hasattr(value, "item") else str(value)


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_finite(value) for value in data]
    return data
