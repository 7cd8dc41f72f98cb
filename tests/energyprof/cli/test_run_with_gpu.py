"""``energyprof run`` beside a GPU that is not there: the stand-in driver, on the machine's own clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from energyprof.cli import main
from energyprof.record.model import Provenance, Report, RunStatus
from energyprof.record.schema import read_report
from energyprof.record.store import list_runs
from energyprof.recording.recorder import Recorder
from energyprof.testing.faults import Fault, FaultKind, NvmlCode
from energyprof.testing.nvml import StandInNvml

POWER_W = 300.0
LENGTH = ("--epochs", "400", "--arch", "mlp:64", "--threads", "1", "--idle", "0", "--quiet")


@pytest.fixture
def nvml() -> Iterator[StandInNvml]:
    with StandInNvml(("hopper",), virtual=False) as stand_in:
        stand_in.set_power(0, POWER_W)
        with stand_in.loaded():
            yield stand_in


def trained(out: Path) -> Report:
    assert main(["run", "--algo", "bp", "--out", str(out), *LENGTH]) == 0
    (folder,) = list_runs(out)
    assert (folder / "report.html").exists()
    return read_report(folder / "report.json")


def test_the_gpu_is_counted_with_bounds_around_the_truth(tmp_path: Path, nvml: StandInNvml) -> None:
    report = trained(tmp_path)
    energy, lasted_s = report.totals.energy_by_domain_j["gpu:0"], report.totals.duration_s
    assert energy.source is Provenance.COUNTER
    assert energy.low is not None
    assert energy.high is not None
    assert energy.low <= POWER_W * lasted_s <= energy.high
    assert energy.value == pytest.approx(POWER_W * lasted_s, rel=0.2)
    assert report.environment.gpus[0].name == "NVIDIA H100 80GB HBM3"


FAULTS = {
    "GPU lost": Fault(code=NvmlCode.GPU_IS_LOST),
    "unknown error": Fault(code=NvmlCode.UNKNOWN),
    "no field values": Fault(function="nvmlDeviceGetFieldValues", code=NvmlCode.NOT_SUPPORTED),
    "no permission": Fault(function="nvmlDeviceGetFieldValues", code=NvmlCode.NO_PERMISSION),
    "flaky": Fault(probability=0.3, seed=1),
    "slow": Fault(kind=FaultKind.SLOW, delay_ns=50_000_000, probability=0.2, seed=2),
    "counter reset": Fault(kind=FaultKind.COUNTER_RESET),
    "counter frozen": Fault(kind=FaultKind.COUNTER_FROZEN),
}


@pytest.mark.parametrize("name", FAULTS)
def test_whatever_the_driver_does_training_ends_with_exit_0_and_the_report_says_it(
    tmp_path: Path, nvml: StandInNvml, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    open_window = Recorder.open_window

    def opened(self: Recorder) -> None:
        open_window(self)
        nvml.fault(FAULTS[name].later(nvml.clock.now_ns() + 100_000_000))

    monkeypatch.setattr(Recorder, "open_window", opened)
    report = trained(tmp_path)
    energy = report.totals.energy_by_domain_j["gpu:0"]
    assert report.run.status is RunStatus.COMPLETED
    assert report.totals.steps == 4000
    assert report.totals.energy_by_domain_j["cpu"].value
    assert energy.value != 0
    if energy.value is not None:
        assert energy.low is not None
        assert energy.high is not None
        assert energy.low <= POWER_W * report.totals.duration_s <= energy.high
    if name in ("GPU lost", "unknown error", "flaky", "slow"):
        assert any("gpu:0" in f.message for f in report.flags if f.code == "recording-problem")
