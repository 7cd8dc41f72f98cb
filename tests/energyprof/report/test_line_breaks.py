from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Provenance, Report
from energyprof.record.trace import Channel, Trace
from energyprof.report.encode import bucket, unpack
from energyprof.report.line_breaks import breaks, broken, silences
from energyprof.report.run import render_run
from energyprof.report.sections.timeline import drawing
from energyprof.report.timeline import POINT_BUDGET, panels_of, payload
from energyprof.testing.sample_runs import Recipe, sample_run

S = 10**9


def without(channel: Channel, start_s: float, end_s: float, *, told: bool) -> Channel:
    """Return a channel that was not read for a while; ``told``: the record names the gap."""
    start, end = int(start_s * S), int(end_s * S)
    heard = (channel.t_ns < start) | (channel.t_ns > end)
    return dataclasses.replace(
        channel,
        t_ns=channel.t_ns[heard],
        since_ns=channel.since_ns[heard],
        value=channel.value[heard],
        gap_ns=np.array([[start, end]]) if told else np.empty((0, 2), np.int64),
    )


def silenced(run: tuple[Report, Trace], start_s: float, end_s: float, *, told: bool) -> tuple[Report, Trace]:
    report, trace = run
    channels = tuple(
        without(c, start_s, end_s, told=told) if c.domain == "gpu:0" else c for c in trace.channels
    )
    return report, dataclasses.replace(trace, channels=channels)


@pytest.fixture(scope="module")
def whole() -> tuple[Report, Trace]:
    return sample_run(Recipe(gpus=2, epochs=4, steps=150, cpu=Provenance.COUNTER))


@pytest.mark.parametrize("told", [True, False])
def test_every_line_of_a_silent_sensor_breaks_and_no_other(whole: tuple[Report, Trace], told: bool) -> None:
    panels = panels_of(*silenced(whole, 5.0, 8.0, told=told))
    opened_s = whole[1].window_ns[0] / S
    checked = 0
    for panel in panels:
        for series in panel.series:
            found = breaks(series.t, series.value)
            if not series.label.startswith("GPU 0"):
                assert found == [], (panel.key, series.label)
                continue
            ((start, end),) = found
            assert start + opened_s == pytest.approx(5.0, abs=0.2)
            assert end + opened_s == pytest.approx(8.0, abs=0.2)
            checked += 1
    assert checked == 5  # power, utilisation, memory, temperature, clock


def test_a_sensor_that_never_came_back_is_broken_to_the_end(whole: tuple[Report, Trace]) -> None:
    end_s = whole[1].duration_ns / S
    series = panels_of(*silenced(whole, 5.0, end_s, told=True))[0].series[0]
    assert np.isnan(series.value[-1])
    assert breaks(series.t, series.value)[0][1] == pytest.approx(end_s - whole[1].window_ns[0] / S)


def test_what_a_counter_gained_over_a_silence_is_no_power_in_it() -> None:
    t = np.arange(1, 101) * S // 10
    energy = np.where(np.arange(100) < 50, 10.0, 1000.0).cumsum()
    trace = sample_run(Recipe(gpus=0))[1]
    counter = dataclasses.replace(
        trace.channels[0], kind=ChannelKind.ENERGY, t_ns=t, since_ns=t, value=energy,
        gap_ns=np.array([[t[49], t[50] - 1]]),
    )  # fmt: skip
    report = sample_run(Recipe(gpus=0))[0]
    power = panels_of(report, dataclasses.replace(trace, channels=(counter,)))[0].series[0]
    (missing,) = np.flatnonzero(np.isnan(power.value))
    assert power.value[missing - 1] == pytest.approx(100.0)
    assert power.value[missing + 1] == pytest.approx(10_000.0)


def test_a_level_reading_holds_until_its_gap_begins() -> None:
    t = np.array([1, 2, 6, 7], np.int64) * S
    channel = dataclasses.replace(
        sample_run(Recipe())[1].channels[0], t_ns=t, since_ns=t, value=np.ones(4),
        gap_ns=np.array([[3 * S, 4 * S], [4 * S, 5 * S]]),
    )  # fmt: skip
    found = silences(channel)
    assert (found.after.tolist(), found.begin_ns.tolist()) == ([1], [3 * S])
    assert 3 * S < found.middle_ns[0] < 5 * S
    assert found.resume_ns.tolist() == [5 * S]
    at, value = broken(t / S, channel.value, found, 0)
    assert at.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert np.isnan(value).tolist() == [False] * 3 + [True] + [False] * 3
    assert breaks(at, value) == [(3.0, 5.0)]


def test_a_break_of_many_missing_points_is_one() -> None:
    nan = np.nan
    assert breaks(np.arange(6.0), np.array([nan, nan, 1.0, 2.0, nan, nan])) == [(0.0, 2.0), (3.0, 5.0)]


def test_a_sensor_that_is_polled_slowly_is_not_silent() -> None:
    report, trace = sample_run(Recipe(epochs=8, steps=50, scale=150_000, poll_s=120.0))
    assert not any(np.isnan(s.value).any() for p in panels_of(report, trace) for s in p.series)


def test_no_bucket_reaches_over_a_break() -> None:
    value = np.concatenate([np.zeros(500), [np.nan], np.full(500, 9.0)])
    buckets = bucket(np.arange(1001.0), value, 50)
    (missing,) = np.flatnonzero(np.isnan(buckets.mean))
    assert (buckets.high[:missing] == 0.0).all()
    assert (buckets.low[missing + 1 :] == 9.0).all()
    assert buckets.position[missing] == 500.0


def test_a_reduced_series_keeps_its_break(whole: tuple[Report, Trace]) -> None:
    report, trace = whole
    count = 2 * POINT_BUDGET
    times = np.linspace(0, trace.duration_ns, count).astype(np.int64)
    power = next(c for c in trace.channels if c.name == "gpu:0/power")
    values = np.random.default_rng(0).uniform(50, 250, count)
    many = without(dataclasses.replace(power, t_ns=times, since_ns=times, value=values), 5.0, 8.0, told=True)
    series = panels_of(report, dataclasses.replace(trace, channels=(many,)))[0].series[0]
    assert series.size > 1
    assert series.low is not None
    assert np.isnan(series.low).sum() == np.isnan(series.value).sum() == 1


def test_a_break_reaches_the_page_and_the_drawing(whole: tuple[Report, Trace]) -> None:
    run = silenced(whole, 5.0, 8.0, told=True)
    power = panels_of(*run)[0]
    assert np.isnan(unpack(payload([power])[0]["series"][0]["v"])).sum() == 1
    drawn = drawing(power, run[0].totals.duration_s)
    assert drawn.count('class="silent"') == 1
    assert "GPU 0 not read for 3." in drawn
    lines = [part.split('"', 1)[0] for part in drawn.split('class="line ')[1:]]
    first = drawn.split('class="line s1')[1].split("/>")[0]
    assert first.count("M") == 2, lines
    assert render_run(*run) == render_run(*run)
