from dataclasses import replace

import numpy as np
import pytest

from energyprof.analysis import quality
from energyprof.analysis.attribution import attribute
from energyprof.analysis.findings import Findings
from energyprof.analysis.quality import CHECKS, find_flags
from energyprof.analysis.summary import summarise
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Flag, GpuInfo, Provenance, Severity
from energyprof.record.trace import Channel


def codes(flags):
    return [flag.code for flag in flags]


@pytest.fixture
def steady(sim):
    return sim.Truth(np.array([0.0]), np.array([200.0]), 10.0)


@pytest.fixture
def report_of(sim):
    def build(*channels, sensors=(), segments=None, draft=None, **trace):
        found = sim.trace(segments, channels, window_s=(0, 10), **trace)
        return summarise(found, replace(draft or sim.draft(), sensors=tuple(sensors)))

    return build


def test_a_partial_record_says_what_is_missing(report_of):
    report = report_of(complete=False, problems=("samples.arrow is cut off after 12 rows",))
    flag = next(flag for flag in report.flags if flag.code == "partial-record")
    assert "samples.arrow is cut off after 12 rows" in flag.message
    assert "partial-record" not in codes(report_of().flags)


def test_energy_that_is_not_in_the_total_is_said(report_of, sim, steady):
    report = report_of(sim.counter(steady), sensors=[sim.sensor()])
    flag = next(flag for flag in report.flags if flag.code == "cpu-missing")
    assert flag.message == "CPU energy not available, so not in the total."
    assert flag.field == "totals.energy_by_domain_j.cpu"
    assert "no-gpu-sensor" not in codes(report.flags)


def test_a_domain_whose_sensor_gave_nothing_is_missing_and_not_zero(report_of, sim, steady):
    report = report_of(sim.counter(steady), sensors=[sim.sensor(), sim.sensor("rapl", ("cpu", "dram"))])
    assert report.totals.energy_by_domain_j["dram"].source is Provenance.MISSING
    assert {"cpu-missing", "dram-missing"} <= set(codes(report.flags))
    assert {row.domain for row in report.ledger} == {"gpu:0"}


def test_a_gpu_that_was_used_and_not_read_is_an_error(report_of, sim):
    draft = sim.draft()
    on_gpu = replace(draft, environment=replace(draft.environment, device="cuda:0"))
    flag = next(flag for flag in report_of(draft=on_gpu).flags if flag.code == "no-gpu-sensor")
    assert flag.severity is Severity.ERROR
    assert "cuda:0" in flag.message
    gpus = (GpuInfo(domain="gpu:0", name="x", uuid="y"),)
    seen = replace(draft, environment=replace(draft.environment, gpus=gpus))
    assert "no-gpu-sensor" in codes(report_of(draft=seen).flags)


def test_a_gpu_beside_a_run_on_the_cpu_is_said_to_be_left_out(report_of, sim):
    gpus = (GpuInfo(domain="gpu:0", name="x", uuid="y"),)
    draft = sim.draft()
    beside = replace(draft, environment=replace(draft.environment, device="cpu", gpus=gpus))
    flag = next(flag for flag in report_of(draft=beside).flags if flag.code == "no-gpu-sensor")
    assert flag.severity is Severity.WARNING
    assert "what the GPU drew while the CPU trained is not in the total" in flag.message


def test_one_gpu_of_two_that_was_not_read_is_an_error(report_of, sim, steady):
    gpus = tuple(GpuInfo(domain=f"gpu:{k}", name="x", uuid=f"y{k}") for k in range(2))
    draft = sim.draft()
    two = replace(draft, environment=replace(draft.environment, gpus=gpus))
    report = report_of(sim.counter(steady), sensors=[sim.sensor()], draft=two)
    (flag,) = (flag for flag in report.flags if flag.code == "gpu-missing")
    assert (flag.severity, flag.field) == (Severity.ERROR, "totals.energy_by_domain_j.gpu:1")
    assert flag.message == "GPU 1 energy not available, so not in the total."


def test_a_run_on_the_cpu_misses_no_gpu(report_of, sim):
    draft = sim.draft()
    on_cpu = replace(draft, environment=replace(draft.environment, device="cpu"))
    assert "no-gpu-sensor" not in codes(report_of(draft=on_cpu).flags)
    assert "no-gpu-sensor" in codes(report_of().flags)


def model_of(sim, truth):
    at = np.arange(101) * 0.1
    return Channel(
        name="cpu/energy",
        domain="cpu",
        kind=ChannelKind.ENERGY,
        sensor="cpu-model",
        unit="J",
        t_ns=sim.ns(at),
        since_ns=sim.ns(at - 0.01),
        value=truth.energy_j(at),
    )


def test_the_estimated_share_is_told(report_of, sim, steady):
    half = sim.Truth(steady.start_s, steady.watts / 2, steady.end_s)
    model = sim.sensor("cpu-model", ("cpu",), source=Provenance.ESTIMATED)
    report = report_of(sim.counter(steady), model_of(sim, half), sensors=[sim.sensor(), model])
    flag = next(flag for flag in report.flags if flag.code == "estimated-share")
    assert flag.value == pytest.approx(1 / 3, abs=0.01)
    assert flag.severity is Severity.INFO
    alone = report_of(model_of(sim, half), sensors=[model])
    assert next(f for f in alone.flags if f.code == "estimated-share").severity is Severity.WARNING
    assert alone.totals.energy_j.source is Provenance.ESTIMATED


def test_evaluation_and_checkpoints_inside_the_window_are_told(report_of, sim):
    marks = sim.in_phases([(6.0, 0), (3.0, 1), (1.0, 2)], ["train", "evaluate", "train/checkpoint"])
    report = report_of(segments=marks)
    found = {flag.code: flag for flag in report.flags}
    assert found["evaluation-in-window"].value == pytest.approx(0.3)
    assert found["checkpoint-in-window"].value == pytest.approx(0.1)
    plain = report_of(segments=sim.in_phases([(10.0, 0)], ["train"]))
    assert not {"evaluation-in-window", "checkpoint-in-window"} & set(codes(plain.flags))


def test_flags_that_were_there_stay_and_are_not_told_twice(report_of, sim):
    field = "totals.energy_by_domain_j.cpu"
    own = Flag(code="own", severity=Severity.ERROR, message="CPU energy was forbidden.", field=field)
    report = report_of(draft=replace(sim.draft(), flags=(own,)))
    assert report.flags[0] is own
    assert [flag for flag in report.flags if flag.field == own.field] == [own]
    trace = sim.trace(window_s=(0, 10))
    again = Findings(trace=trace, attribution=attribute(trace, []), report=report)
    assert find_flags(again) == report.flags


def test_every_check_is_in_the_list():
    public = {getattr(quality, name) for name in quality.__all__ if name not in ("CHECKS", "find_flags")}
    assert public <= set(CHECKS)
    assert len(CHECKS) == len(set(CHECKS)) == 27


def test_every_flag_speaks_in_sentences(report_of, sim):
    for flag in report_of(complete=False).flags:
        assert flag.message[0].isupper() or "." in flag.message.split()[0]
        assert flag.message.endswith(".")
        assert flag.advice is None or flag.advice.endswith(".")
