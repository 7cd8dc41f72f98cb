from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from energyprof.record.model import Epoch, Provenance, Report
from energyprof.record.trace import Metrics, Trace
from energyprof.report.encode import unpack
from energyprof.report.timeline import POINT_BUDGET, panels_of, payload
from energyprof.testing.sample_runs import Recipe, sample_run

Runs = dict[str, tuple[Report, Trace]]


def test_a_run_on_a_gpu_has_all_panels(runs: Runs) -> None:
    keys = [panel.key for panel in panels_of(*runs["gpu"])]
    assert keys == ["power", "utilisation", "memory", "temperature", "clocks", "loss", "accuracy"]


def test_power_from_a_counter_is_its_joules_over_its_time(runs: Runs) -> None:
    _, trace = runs["cpu"]
    power = next(p for p in panels_of(*runs["cpu"]) if p.key == "power").series[0]
    channel = next(c for c in trace.channels if c.name == "cpu/energy")
    total = np.sum(power.value[:-1] * np.diff(power.t))
    assert power.stairs
    assert total == pytest.approx(channel.value[-1] - channel.value[0])


def test_a_hold_of_a_counter_makes_no_power_of_its_own() -> None:
    report, trace = sample_run(Recipe(gpus=0, cpu=Provenance.ESTIMATED, epochs=1, steps=20))
    energy = trace.channels[0]
    held = dataclasses.replace(energy, value=np.repeat(energy.value[::2], 2)[: len(energy.value)])
    power = panels_of(report, dataclasses.replace(trace, channels=(held,)))[0].series[0]
    assert (power.value >= 0).all()
    assert len(power.t) <= len(energy.value) // 2 + 1


def test_level_stretches_are_drawn_by_their_ends(runs: Runs) -> None:
    clocks = next(p for p in panels_of(*runs["gpu"]) if p.key == "clocks").series[0]
    assert len(clocks.t) <= 6


def test_many_points_become_means_with_least_and_greatest(runs: Runs) -> None:
    report, trace = runs["gpu"]
    count = POINT_BUDGET + 50_000
    power = next(c for c in trace.channels if c.name == "gpu:0/power")
    values = np.random.default_rng(0).uniform(50, 250, count)
    times = np.linspace(0, trace.duration_ns, count).astype(np.int64)
    many = dataclasses.replace(power, t_ns=times, since_ns=times, value=values)
    panels = panels_of(report, dataclasses.replace(trace, channels=(many,)))
    series = panels[0].series[0]
    assert series.size > 1
    assert series.low is not None
    assert series.high is not None
    assert series.low.min() == values.min()
    assert series.high.max() == values.max()
    assert 3 * sum(len(s.t) for p in panels for s in p.series) <= POINT_BUDGET + 5_000


def test_losses_come_from_the_epochs_where_there_is_no_trace(bare: Report) -> None:
    epochs = tuple(
        Epoch(index=k, stage="train", start_s=k, end_s=k + 1, train_loss=1 / (k + 1)) for k in range(3)
    )
    panels = panels_of(dataclasses.replace(bare, epochs=epochs), None)
    assert [(p.key, p.series[0].t.tolist()) for p in panels] == [("loss", [1, 2, 3])]


def test_a_metric_that_is_never_finite_is_not_drawn(runs: Runs) -> None:
    report, trace = runs["gpu"]
    metrics = Metrics(
        t_ns=np.array([1, 2]), step=np.array([0, 0]), name=("loss", "loss"), value=np.array([np.nan, np.inf])
    )
    keys = [p.key for p in panels_of(report, dataclasses.replace(trace, metrics=metrics))]
    assert "loss" not in keys


def test_what_is_packed_is_what_was_drawn(runs: Runs) -> None:
    panels = panels_of(*runs["gpu"])
    for panel, packed in zip(panels, payload(panels), strict=True):
        for series, sent in zip(panel.series, packed["series"], strict=True):
            assert unpack(sent["v"]) == pytest.approx(series.value, abs=series.resolution)
            assert unpack(sent["t"]) == pytest.approx(series.t, abs=1e-3)


def test_nothing_to_draw_gives_no_panels(bare: Report) -> None:
    assert panels_of(bare, None) == ()
