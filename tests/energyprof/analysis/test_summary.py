"""The whole way from a trace to a report."""

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from energyprof.analysis.summary import distribution, summarise
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Carbon, Provenance, Quality, Totals, WindowInfo

FOUR = [
    ("train/data", 0.008, 70),
    ("train/forward", 0.018, 220),
    ("train/backward", 0.026, 330),
    ("train", 0.008, 180),
]


@pytest.fixture
def run(sim):
    truth, marks = sim.schedule(np.random.default_rng(0), FOUR, 300, open_s=2.0, jitter=0.1, extra_w=5.0)
    watch = sim.Watch(phase_s=0.03, wobble_s=0.0003)
    logged = sim.metrics(
        (2.0, 0, "batch_samples", 64),
        (2.0, 0, "epoch_begin/train", 0),
        (10.0, 130, "train_loss", 0.5),
        (10.0, 130, "validation_accuracy", 0.9),
        (20.0, 299, "train_loss", 0.3),
        (20.0, 299, "validation_accuracy", 0.8),
        (20.0, 300, "epoch_end/train", 0),
    )
    at = np.arange(0.0, 24.0, 0.25)
    memory = sim.readings(ChannelKind.MEMORY, 1e9 + 1e8 * np.minimum(at, 12), at, name="memory", unit="B")
    host = sim.readings(ChannelKind.MEMORY, 3e9 + 0 * at, at, domain="host", name="memory", unit="B")
    channels = [sim.counter(truth, watch), sim.power(truth, watch), memory, host]
    trace = sim.trace(marks, channels, logged, duration_s=truth.end_s)
    return truth, trace, sim.draft([sim.sensor()], carbon=Carbon(intensity_g_per_kwh=100.0, source="given"))


def numbers(data):
    if isinstance(data, dict):
        for value in data.values():
            yield from numbers(value)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from numbers(value)
    elif isinstance(data, float):
        yield data


def test_a_run_comes_out_as_it_was(run):
    truth, trace, draft = run
    report = summarise(trace, draft)
    opened, closed = (ns * 1e-9 for ns in trace.window_ns)
    true = truth.between(opened, closed)
    totals = report.totals
    assert totals.energy_j.value == pytest.approx(true, rel=0.002)
    assert totals.energy_j.low <= true <= totals.energy_j.high
    assert totals.energy_j.source is Provenance.COUNTER
    assert totals.duration_s == pytest.approx(closed - opened)
    assert totals.mean_power_w == pytest.approx(true / (closed - opened), rel=0.002)
    assert (totals.steps, totals.samples) == (300, 300 * 64)
    assert totals.energy_per_sample_j.value == pytest.approx(true / 19200, rel=0.002)
    assert totals.co2e_kg == pytest.approx(true / 3.6e6 * 0.1, rel=0.002)
    assert totals.idle_energy_j.value == pytest.approx(40 * (closed - opened), rel=0.03)
    assert totals.above_idle_energy_j.value == pytest.approx(true - 40 * (closed - opened), rel=0.01)
    assert totals.peak_device_memory_bytes == pytest.approx(2.2e9)
    assert totals.peak_host_memory_bytes == 3_000_000_000


def test_the_ledger_and_the_phases_add_up_exactly(run):
    _, trace, draft = run
    report = summarise(trace, draft)
    total = report.totals.energy_by_domain_j["gpu:0"].value
    assert sum(row.energy_j.value for row in report.ledger) == total
    assert sum(phase.energy_j.value for phase in report.phases) == pytest.approx(total, rel=1e-12)
    assert sum(phase.modelled_energy_j.value for phase in report.phases) == pytest.approx(total, rel=1e-12)
    assert sum(phase.seconds for phase in report.phases) == pytest.approx(report.totals.duration_s)
    assert [phase.name for phase in report.phases] == [name for name, _, _ in FOUR]
    assert all(phase.count == 300 for phase in report.phases)


def test_the_modelled_energy_of_phases_is_close_to_the_truth(run):
    truth, trace, draft = run
    report = summarise(trace, draft)
    ends = np.append(trace.segments.start_ns, trace.segments.end_ns) * 1e-9
    true = np.bincount(trace.segments.phase, np.diff(truth.energy_j(ends)))
    for phase, energy in zip(report.phases, true, strict=False):
        figure = phase.modelled_energy_j
        half = (figure.high - figure.low) / 2
        assert figure.value == pytest.approx(energy, abs=1.5 * half)
        assert half < 0.2 * energy
        assert phase.energy_j.low <= energy <= phase.energy_j.high


def test_steps_are_summarised_by_the_modelled_figure(run):
    _, trace, draft = run
    report = summarise(trace, draft)
    assert report.steps.count == 300
    assert report.steps.method == "modelled"
    assert report.steps.energy_j.mean * 300 == pytest.approx(report.totals.energy_j.value)
    assert report.steps.duration_s.p5 < report.steps.duration_s.p50 < report.steps.duration_s.p95
    assert report.cross_check.counter_power[0].relative_gap == pytest.approx(0, abs=0.01)
    assert 1 < report.cross_check.condition_number < 100


def test_quality_is_that_of_the_weights_that_the_run_ended_with(run):
    _, trace, draft = run
    assert summarise(trace, draft).quality == Quality(train_loss=0.3, validation_accuracy=0.8)
    given = replace(draft, quality=Quality(validation_accuracy=0.85, test_accuracy=0.84))
    found = summarise(trace, given).quality
    assert (found.validation_accuracy, found.test_accuracy, found.train_loss) == (0.85, 0.84, 0.3)


def test_what_the_draft_knows_is_kept(run):
    _, trace, draft = run
    known = Totals(samples=1000, flops=1e12, peak_device_memory_bytes=7, peak_host_memory_bytes=8)
    totals = summarise(trace, replace(draft, totals=known)).totals
    assert (totals.samples, totals.flops) == (1000, 1e12)
    assert (totals.peak_device_memory_bytes, totals.peak_host_memory_bytes) == (7, 8)


def test_calibrated_idle_power_goes_before_the_record(run):
    _, trace, draft = run
    report = summarise(trace, draft, idle_power_w={"gpu:0": 55.0})
    assert report.totals.idle_energy_j.value == pytest.approx(55 * report.totals.duration_s)


def test_epochs_come_with_their_energy(run):
    _, trace, draft = run
    (epoch,) = summarise(trace, draft).epochs
    assert epoch.samples == 300 * 64
    assert epoch.cumulative_energy_j == pytest.approx(epoch.energy_j.value)


@pytest.mark.parametrize(
    ("window_s", "duration_s"), [((0.0, 0.0), 0.0), ((0.0, 0.0), 2.0), ((0.5, 0.5), 2.0), ((0.0, 1.0), 1.0)]
)
@pytest.mark.parametrize("readings", [0, 1, 2])
def test_next_to_nothing_is_a_report_without_nan_or_zero(sim, window_s, duration_s, readings):
    truth = sim.Truth(np.array([0.0]), np.array([100.0]), 2.0)
    channel = sim.counter(truth)
    few = replace(
        channel, **{name: getattr(channel, name)[:readings] for name in ("t_ns", "since_ns", "value")}
    )
    trace = sim.trace(window_s=window_s, channels=[few], duration_s=duration_s)
    report = summarise(trace, sim.draft([sim.sensor()]))
    assert all(math.isfinite(number) for number in numbers(asdict(report)))
    json.dumps(asdict(report), allow_nan=False, default=str)
    if readings < 2:
        assert report.totals.energy_j.source is Provenance.MISSING
        assert report.totals.energy_j.value is None
    elif window_s[1] > window_s[0]:
        assert report.totals.energy_j.low <= 100 * (window_s[1] - window_s[0]) <= report.totals.energy_j.high
        assert report.totals.energy_j.value > 0
    assert report.steps.count == 0
    assert report.steps.duration_s.mean is None
    fields = {flag.field for flag in report.flags}
    for name in ("totals.flops", "totals.samples", "steps.energy_j"):
        assert name in fields


def test_no_sensor_at_all_still_gives_times_phases_and_reasons(sim, run):
    _, trace, _ = run
    report = summarise(replace(trace, channels=()), sim.draft())
    assert report.totals.energy_j.source is Provenance.MISSING
    assert report.ledger == ()
    assert len(report.phases) == 4
    assert report.phases[0].energy_j.source is Provenance.MISSING
    assert report.steps.energy_j.mean is None
    assert report.steps.duration_s.mean == pytest.approx(0.06, rel=0.03)
    assert report.epochs[0].energy_j.source is Provenance.MISSING
    assert "totals.energy_j" in {flag.field for flag in report.flags}


def test_a_distribution_leaves_out_what_is_not_a_number():
    found = distribution(np.array([1.0, np.nan, 3.0]))
    assert (found.mean, found.p50, found.max) == (2.0, 2.0, 3.0)
    assert distribution(np.array([np.nan])).mean is None


def test_what_the_window_included_is_told_by_its_phases_where_nobody_has_said_it(sim, run):
    _, trace, _ = run
    names = tuple(f"{name}/evaluate" for name in trace.segments.phases)
    seen = replace(trace, segments=replace(trace.segments, phases=names))
    assert "evaluation" in summarise(seen, sim.draft()).window.includes
    said = replace(sim.draft(), window=WindowInfo(includes=("training",)))
    assert summarise(seen, said).window.includes == ("training",)
