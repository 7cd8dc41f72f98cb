from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from energyprof.errors import OutputError
from energyprof.export.columns import run_tables
from energyprof.export.tables import inert_cell, write_csv, write_parquet
from energyprof.record.model import Report
from energyprof.record.trace import Trace

Runs = dict[str, tuple[Report, Trace]]
KINDS = ["gpu", "no-sensor", "zero-steps", "hostile"]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


@pytest.mark.parametrize("kind", KINDS)
def test_csv_and_parquet_hold_the_same_rows(runs: Runs, tmp_path: Path, kind: str) -> None:
    texts, tables = write_csv(*runs[kind], tmp_path), write_parquet(*runs[kind], tmp_path)
    for text, table in zip(texts, tables, strict=True):
        read = parquet.read_table(table)
        assert text.stem == table.stem
        assert len(rows(text)) == read.num_rows
        with text.open(encoding="utf-8", newline="") as file:
            assert next(csv.reader(file)) == read.column_names


def test_steps_add_up_to_the_energy_of_their_phases(runs: Runs, tmp_path: Path) -> None:
    report, trace = runs["gpu"]
    write_csv(report, trace, tmp_path)
    steps = sum(float(row["energy_j"]) for row in rows(tmp_path / "steps.csv"))
    phases = rows(tmp_path / "phases.csv")
    training = sum(float(row["energy_j"]) for row in phases if row["phase"].startswith("train"))
    assert steps == pytest.approx(training, rel=1e-6)
    assert sum(float(row["energy_j"]) for row in phases) == pytest.approx(report.totals.energy_j.value)


def test_numbers_read_back_exactly(runs: Runs, tmp_path: Path) -> None:
    report, trace = runs["gpu"]
    write_csv(report, trace, tmp_path)
    wanted = run_tables(report, trace)["steps"]["duration_s"]
    assert [float(row["duration_s"]) for row in rows(tmp_path / "steps.csv")] == wanted.tolist()


def test_samples_are_in_order_of_time_and_hold_every_reading(runs: Runs) -> None:
    _, trace = runs["gpu"]
    table = run_tables(*runs["gpu"])["samples"]
    assert (np.diff(table["t_s"]) >= 0).all()
    assert len(table["value"]) == sum(len(c.value) for c in trace.channels)
    assert set(table["channel"]) == {c.name for c in trace.channels}


def test_what_is_not_known_is_an_empty_cell_and_a_null(runs: Runs, tmp_path: Path) -> None:
    write_csv(*runs["no-sensor"], tmp_path)
    write_parquet(*runs["no-sensor"], tmp_path)
    assert {row["energy_j"] for row in rows(tmp_path / "steps.csv")} == {""}
    assert parquet.read_table(tmp_path / "steps.parquet").column("energy_j").null_count == 5


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_formula_becomes_a_text(text: str) -> None:
    assert inert_cell(text) == f"'{text}"


def test_ordinary_cells_stay_as_they_are() -> None:
    assert [inert_cell(v) for v in ("train/data", -1.5, 3, float("nan"))] == ["train/data", -1.5, 3, ""]


def test_no_cell_of_a_hostile_run_is_a_formula(runs: Runs, tmp_path: Path) -> None:
    for path in write_csv(*runs["hostile"], tmp_path):
        with path.open(encoding="utf-8", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not any(cell.startswith(("=", "@", "\t", "\r")) for cell in cells)


def test_the_run_is_named_in_the_parquet_metadata(runs: Runs, tmp_path: Path) -> None:
    report, trace = runs["gpu"]
    path = write_parquet(report, trace, tmp_path)[0]
    assert parquet.read_schema(path).metadata[b"energyprof.run"] == report.run.id.encode()


def test_a_folder_that_cannot_be_made_is_one_clear_error(runs: Runs, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for write in (write_csv, write_parquet):
        with pytest.raises(OutputError, match="cannot write"):
            write(*runs["gpu"], tmp_path / "file" / "x")
