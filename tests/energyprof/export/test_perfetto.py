from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from energyprof.errors import OutputError
from energyprof.export.perfetto import write_perfetto
from energyprof.record.model import Report
from energyprof.record.trace import Trace

Runs = dict[str, tuple[Report, Trace]]


def events(run: tuple[Report, Trace], folder: Path) -> list[dict[str, Any]]:
    path = write_perfetto(*run, folder / "trace.json.gz")
    with gzip.open(path) as file:
        found: list[dict[str, Any]] = json.load(file)["traceEvents"]
    return found


@pytest.mark.parametrize("kind", ["gpu", "no-sensor", "zero-steps", "hostile"])
def test_every_event_has_what_its_kind_needs(runs: Runs, tmp_path: Path, kind: str) -> None:
    needed = {
        "X": {"name", "ts", "dur", "pid", "tid"},
        "C": {"name", "ts", "pid", "args"},
        "M": {"name", "args"},
    }
    for event in events(runs[kind], tmp_path):
        assert needed[event["ph"]] <= set(event)
        if event["ph"] == "C":
            assert len(event["args"]) == 1
        if event["ph"] == "X":
            assert event["dur"] >= 0


def test_process_and_threads_have_names(runs: Runs, tmp_path: Path) -> None:
    names = [e["args"]["name"] for e in events(runs["gpu"], tmp_path) if e["ph"] == "M"]
    assert names == ["energyprof: mf on mnist", "steps", "phases"]


def test_steps_and_phases_fill_the_window_without_overlap(runs: Runs, tmp_path: Path) -> None:
    report, _ = runs["gpu"]
    slices = [e for e in events(runs["gpu"], tmp_path) if e["ph"] == "X"]
    steps, phases = ([e for e in slices if e["tid"] == tid] for tid in (1, 2))
    assert len(steps) == report.totals.steps
    assert sum(e["dur"] for e in phases) == pytest.approx(report.totals.duration_s * 1e6)
    for lane in (steps, phases):
        ends = [e["ts"] + e["dur"] for e in lane]
        assert all(end <= after["ts"] + 0.002 for end, after in zip(ends, lane[1:], strict=False))


def test_counters_of_energy_end_near_the_total(runs: Runs, tmp_path: Path) -> None:
    report, _ = runs["gpu"]
    last = {e["name"]: e["args"]["J"] for e in events(runs["gpu"], tmp_path) if "J" in e.get("args", {})}
    assert set(last) == {"gpu:0 energy", "cpu energy"}
    assert sum(last.values()) == pytest.approx(report.totals.energy_j.value, rel=0.02)


def test_power_and_memory_are_counters(runs: Runs, tmp_path: Path) -> None:
    names = {e["name"] for e in events(runs["gpu"], tmp_path) if e["ph"] == "C"}
    assert {"gpu:0 power", "gpu:0 memory", "host memory", "gpu:0 utilisation"} <= names


def test_the_same_run_gives_the_same_bytes(runs: Runs, tmp_path: Path) -> None:
    files = [write_perfetto(*runs["gpu"], tmp_path / name) for name in ("a.json.gz", "b.json.gz")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_file_that_cannot_be_written_is_one_clear_error(runs: Runs, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        write_perfetto(*runs["gpu"], tmp_path / "no" / "trace.json.gz")
