"""The end of a killed run's streams, from its journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from energyprof.record.journal import COLUMNS, Rows, read_journal
from energyprof.record.step_numbers import number_steps

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["with_tail"]

Columns = Mapping[str, Any]


def with_tail(
    path: Path, tables: Mapping[str, pa.Table | None], channels: Sequence[str]
) -> dict[str, pa.Table | None]:
    """Return the tables of a run with the rows that only its journal has.

    Args:
        path: the journal; where there is none, nothing is added.
        tables: ``steps``, ``samples``, ``metrics`` and ``device``; one that is None stays so.
        channels: the names of the channels that samples are of.
    """
    rows, texts = read_journal(path)
    added: dict[str, tuple[Columns, Sequence[str]]] = {}
    for stream in ("samples", "device"):
        found = _after(_length(tables.get(stream)), rows.get(stream, []), stream)
        added[stream] = found, channels
    added["steps"] = _segments(tables.get("steps"), rows.get("marks", []), texts.get("states", []))
    added["metrics"] = _metrics(_length(tables.get("metrics")), texts.get("metrics", []))
    return {
        name: table if table is None or name not in added else _extended(table, *added[name])
        for name, table in tables.items()
    }


def _length(table: pa.Table | None) -> int:
    return 0 if table is None else int(table.num_rows)


def _after(known: int, chunks: Sequence[Rows], stream: str) -> dict[str, Any]:
    """Return the columns of the rows from number ``known`` on, each row once."""
    parts: list[dict[str, Any]] = []
    for first, columns in chunks:
        size = len(next(iter(columns.values())))
        skip = max(0, known - first)
        if skip < size:
            parts.append({name: column[skip:] for name, column in columns.items()})
            known = first + size
    return {
        name: np.concatenate([np.empty(0, kind), *(part[name] for part in parts)]).astype(kind[1:])
        for name, kind in COLUMNS[stream].items()
    }


def _segments(
    steps: pa.Table | None, marks: Sequence[Rows], states: Sequence[tuple[int, Any]]
) -> tuple[Columns, Sequence[str]]:
    """Return the segments of marks that were not numbered yet, and the names of phases."""
    if steps is None or not states:
        return {"start_ns": ()}, ()
    told = states[-1][1]
    kept = _after(steps.num_rows, marks, "marks")
    known = steps.column("step").to_numpy()
    codes = np.array(told["states"], np.int32).reshape(-1, 2)[kept["code"]]
    step, _ = number_steps(codes[:, 1], int(known.max()) + 1 if known.size else 0)
    start_ns = kept["time_ns"][: step.size] - told["origin_ns"]
    start_ns = np.maximum.accumulate(start_ns)  # of marks by two threads, as they are drained
    return {"start_ns": start_ns, "phase": codes[: step.size, 0], "step": step}, told["phases"]


def _metrics(known: int, texts: Sequence[tuple[int, Any]]) -> tuple[Columns, Sequence[str]]:
    rows: list[Any] = []
    for first, values in texts:
        rows.extend(values[max(0, known + len(rows) - first) :])
    names = list(dict.fromkeys(name for _, name, _ in rows))
    columns = {
        "t_ns": np.array([t for t, _, _ in rows], np.int64),
        "name": np.array([names.index(name) for _, name, _ in rows], np.int32),
        "value": np.array([value for _, _, value in rows], np.float64),
    }
    return columns, names


def _extended(table: pa.Table, columns: Columns, names: Sequence[str]) -> pa.Table:
    import pyarrow as pa

    if not len(next(iter(columns.values()))):
        return table
    arrays = []
    for field in table.schema:
        if pa.types.is_dictionary(field.type):
            indices = pa.array(columns[field.name], pa.int32())
            arrays.append(pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.string())))
        elif pa.types.is_boolean(field.type):
            arrays.append(pa.array(columns[field.name] != 0))
        else:
            arrays.append(pa.array(columns[field.name], field.type))
    tail = pa.Table.from_arrays(arrays, schema=table.schema)
    return pa.concat_tables([table, tail]).unify_dictionaries()
