from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from energyprof.analysis.attribution import attribute
from energyprof.record.model import Epoch, Report
from energyprof.record.trace import Segments, Trace
from energyprof.report.encode import unpack
from energyprof.report.progress import (
    EnergyKnots,
    energy_knots,
    energy_payload,
    phase_bands,
    progress_payload,
)

Runs = dict[str, tuple[Report, Trace]]


def knots_of(run: tuple[Report, Trace]) -> EnergyKnots | None:
    report, trace = run
    return energy_knots(trace, attribute(trace, report.sensors).curves)


@pytest.mark.parametrize("kind", ["gpu", "cpu", "ten-devices", "ten-days", "one-step"])
def test_the_knots_end_at_the_total_of_the_report(runs: Runs, kind: str) -> None:
    report, _ = runs[kind]
    knots = knots_of(runs[kind])
    assert knots is not None
    assert knots.value_j[0] == 0
    assert knots.value_j[-1] == pytest.approx(report.totals.energy_j.value, rel=1e-9)
    assert knots.t_s[-1] == pytest.approx(report.totals.duration_s)
    assert sum(v[-1] for v in knots.by_domain_j.values()) == pytest.approx(knots.value_j[-1])
    assert (np.diff(knots.value_j) >= -1e-9).all()
    assert (knots.high_j >= knots.low_j).all()


def test_without_energy_there_are_no_knots(runs: Runs) -> None:
    assert knots_of(runs["no-sensor"]) is None


def test_a_domain_that_is_not_known_is_named(runs: Runs) -> None:
    report, trace = runs["gpu"]
    curves = {**attribute(trace, report.sensors).curves, "dram": None}
    knots = energy_knots(trace, curves)
    assert knots is not None
    assert energy_payload(knots)["left_out"] == ["DRAM"]


def test_steps_and_samples_are_exact_at_the_ends(runs: Runs) -> None:
    report, trace = runs["gpu"]
    sent = progress_payload(report, trace)
    assert unpack(sent["steps"]["v"])[[0, -1]].tolist() == [0, report.totals.steps]
    assert unpack(sent["samples"]["v"])[[0, -1]].tolist() == [0, report.totals.samples]
    assert len(sent["epochs"]) == len(report.epochs)


def test_a_run_without_steps_has_no_step_axis(runs: Runs) -> None:
    sent = progress_payload(*runs["zero-steps"])
    assert "steps" not in sent
    assert "samples" not in sent


def with_segments(trace: Trace, count: int) -> Trace:
    start, end = trace.window_ns
    segments = Segments(
        start_ns=np.linspace(start, end, count, endpoint=False).astype(np.int64),
        phase=(np.arange(count) % 3).astype(np.int32),
        step=np.full(count, -1),
        phases=("train/forward", "train/backward", "evaluate"),
        end_ns=end,
    )
    return dataclasses.replace(trace, segments=segments)


def test_few_stays_are_kept_as_they_were(runs: Runs) -> None:
    bands = phase_bands(with_segments(runs["gpu"][1], 30))
    assert len(bands.start_s) == 30
    assert not bands.merged


def test_more_stays_are_joined_by_first_name(runs: Runs) -> None:
    bands = phase_bands(with_segments(runs["gpu"][1], 2_400))
    assert set(bands.names) >= {"train", "evaluate"}
    assert len(bands.start_s) == 1_600


def test_very_many_stays_become_slices_of_what_fills_them_most(runs: Runs) -> None:
    bands = phase_bands(with_segments(runs["gpu"][1], 30_000))
    assert bands.merged
    assert len(bands.start_s) <= 2_000
    assert [bands.names[k] for k in set(bands.phase.tolist())] == ["train"]


def test_stages_are_named_at_epoch_ticks(runs: Runs) -> None:
    report, trace = runs["gpu"]
    epochs = tuple(Epoch(index=0, stage=f"layer{k}", start_s=k, end_s=k + 1) for k in (1, 2))
    sent = progress_payload(dataclasses.replace(report, epochs=epochs), trace)
    assert [text for _, text in sent["epochs"]] == ["layer1 1", "layer2 1"]
