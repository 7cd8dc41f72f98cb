"""Steps, samples and phases of a run as CSV and Parquet files.

In CSV a text that a spreadsheet would take for a formula (it begins with ``=``, ``+``, ``-``, ``@``, a tab or
a carriage return) gets an apostrophe before it; numbers are written so that they read back the same, and what
is not known is an empty cell.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from energyprof.errors import OutputError
from energyprof.export.columns import Table, run_tables
from energyprof.record.model import Report
from energyprof.record.trace import Trace

__all__ = ["inert_cell", "write_csv", "write_parquet"]

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_ROWS: Final = 50_000  # at a time, so that long runs need little memory


def write_csv(report: Report, trace: Trace, path: Path) -> list[Path]:
    """Write ``steps.csv``, ``samples.csv`` and ``phases.csv`` into a folder.

    Args:
        report: the run's report.
        trace: its trace.
        path: the folder; it is made where it is missing.

    Returns:
        The files.

    Raises:
        OutputError: one cannot be written.
    """
    files = []
    for name, table in run_tables(report, trace).items():
        file = _folder(path) / f"{name}.csv"
        try:
            with file.open("w", encoding="utf-8", errors="replace", newline="") as text:
                writer = csv.writer(text)
                writer.writerow([inert_cell(column) for column in table])
                writer.writerows(_rows(table))
        except OSError as error:
            raise OutputError(f"cannot write {file}: {error.strerror or error}") from error
        files.append(file)
    return files


def write_parquet(report: Report, trace: Trace, path: Path) -> list[Path]:
    """Write ``steps.parquet``, ``samples.parquet`` and ``phases.parquet`` into a folder.

    Each holds the run's id and name in its metadata. Arguments and errors as in :func:`write_csv`.
    """
    import pyarrow as pa
    from pyarrow import parquet

    files = []
    about = {"energyprof.run": report.run.id, "energyprof.name": report.run.name}
    metadata = {key.encode(): value.encode("utf-8", "replace") for key, value in about.items()}
    for name, table in run_tables(report, trace).items():
        file = _folder(path) / f"{name}.parquet"
        arrow = pa.table({column: _arrow(values) for column, values in table.items()})
        try:
            parquet.write_table(arrow.replace_schema_metadata(metadata), file, compression="zstd")
        except OSError as error:
            raise OutputError(f"cannot write {file}: {error.strerror or error}") from error
        files.append(file)
    return files


def inert_cell(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula; NaN becomes an empty cell."""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return "" if isinstance(value, float) and not np.isfinite(value) else value


def _rows(table: Table) -> Iterator[tuple[Any, ...]]:
    count = len(next(iter(table.values())))
    for start in range(0, count, _ROWS):
        columns = [map(inert_cell, values[start : start + _ROWS].tolist()) for values in table.values()]
        yield from zip(*columns, strict=True)


def _arrow(values: NDArray[Any]) -> Any:
    import pyarrow as pa

    if values.dtype.kind in "OU":
        return pa.array([str(v).encode("utf-8", "replace").decode() for v in values.tolist()], pa.string())
    return pa.array(values, from_pandas=values.dtype.kind == "f")


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write to '{path}': {error.strerror or error}") from error
    return path
