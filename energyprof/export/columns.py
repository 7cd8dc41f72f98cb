"""A run as three tables of columns: steps, samples, phases. What CSV and Parquet are written from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from energyprof.analysis.step_table import step_table
from energyprof.analysis.windows import window_segments
from energyprof.record.model import Quantity, Report
from energyprof.record.trace import Trace

__all__ = ["TABLES", "Table", "run_tables"]

Table = Mapping[str, NDArray[Any]]
TABLES: Final = ("steps", "samples", "phases")


def run_tables(report: Report, trace: Trace) -> dict[str, Table]:
    """Return the tables of a run: name -> column -> values, all columns of a table equally long.

    Times are seconds since the window opened, energies joules; NaN where a number is not known.
    """
    return {"steps": _steps(report, trace), "samples": _samples(trace), "phases": _phases(report)}


def _steps(report: Report, trace: Trace) -> Table:
    table = dict(step_table(trace, report.sensors, report.environment.device))
    names = np.array(window_segments(trace).phases, dtype=object)
    phase = names[table.pop("phase")] if len(table["start_s"]) else np.empty(0, object)
    number = np.arange(len(table["start_s"]), dtype=np.int64)
    return {"step": number, "phase": phase, **table}


def _samples(trace: Trace) -> Table:
    counts = [len(channel.t_ns) for channel in trace.channels]

    def repeated(values: list[str]) -> NDArray[Any]:
        return np.repeat(np.array(values, dtype=object), counts)

    def joined(arrays: list[NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate(arrays) if arrays else np.empty(0)

    opened = trace.window_ns[0]
    columns = {
        "t_s": joined([(c.t_ns - opened) / 1e9 for c in trace.channels]),
        "since_s": joined([(c.since_ns - opened) / 1e9 for c in trace.channels]),
        "channel": repeated([c.name for c in trace.channels]),
        "domain": repeated([c.domain for c in trace.channels]),
        "kind": repeated([c.kind.value for c in trace.channels]),
        "unit": repeated([c.unit for c in trace.channels]),
        "value": joined([c.value for c in trace.channels]),
    }
    order = np.argsort(columns["t_s"], kind="stable")
    return {name: values[order] for name, values in columns.items()}


def _phases(report: Report) -> Table:
    phases = report.phases
    domains = tuple(report.totals.energy_by_domain_j)
    columns: dict[str, NDArray[Any]] = {
        "phase": np.array([p.name for p in phases], dtype=object),
        "seconds": np.array([p.seconds for p in phases], np.float64),
        "count": np.array([p.count for p in phases], np.int64),
    }
    columns |= _bounded("energy", [p.energy_j for p in phases])
    columns |= _bounded("energy_modelled", [p.modelled_energy_j for p in phases])
    columns["energy_source"] = np.array([p.energy_j.source.value for p in phases], dtype=object)
    for domain in domains:
        columns[f"{domain}_energy_j"] = _values([p.by_domain_j.get(domain) for p in phases], "value")
    return columns


def _bounded(name: str, quantities: list[Quantity]) -> dict[str, NDArray[np.float64]]:
    return {
        f"{name}_j": _values(quantities, "value"),
        f"{name}_low_j": _values(quantities, "low"),
        f"{name}_high_j": _values(quantities, "high"),
    }


def _values(quantities: list[Quantity] | list[Quantity | None], part: str) -> NDArray[np.float64]:
    found = [None if q is None else getattr(q, part) for q in quantities]
    return np.array([np.nan if value is None else value for value in found], np.float64)
