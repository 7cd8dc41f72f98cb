"""``energyprof calibrate``: the load through torch, and what is kept and printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from energyprof.cli import calibrating, main
from energyprof.cli.calibrating import ProductLoad
from energyprof.errors import DeviceError
from energyprof.sensors.discovery import discover
from energyprof.testing.devices import DeviceProcess
from energyprof.testing.faults import Fault, NvmlCode
from energyprof.testing.nvml import StandInNvml


class Torch:
    """Torch on one CUDA device, as far as a load needs it: products take time in a queue of their own."""

    float16 = "float16"

    def __init__(self, uuid: str, flops_per_s: float) -> None:
        self.flops_per_s, self.queued_s, self.products = flops_per_s, 0.0, 0
        self.properties = SimpleNamespace(uuid=uuid)
        self.cuda = SimpleNamespace(
            is_available=lambda: True,
            device_count=lambda: 1,
            get_device_properties=lambda _: self.properties,
            Event=self.event,
            device=self.on,
            synchronize=lambda _: None,
        )

    @contextmanager
    def on(self, device: object) -> Iterator[None]:
        assert device == ("cuda", 0)
        yield

    def device(self, kind: str, index: int) -> tuple[str, int]:
        return kind, index

    def event(self, *, enable_timing: bool) -> Any:
        assert enable_timing
        event = SimpleNamespace(at_s=-1.0, query=lambda: True)
        event.record = lambda: setattr(event, "at_s", self.queued_s)
        event.elapsed_time = lambda end: 1e3 * (end.at_s - event.at_s)
        return event

    def randn(self, rows: int, columns: int, *, device: object, dtype: str) -> int:
        assert (device, dtype) == (("cuda", 0), "float16")
        return rows

    def randn_like(self, matrix: int) -> int:
        return matrix

    empty_like = randn_like

    def matmul(self, left: int, right: int, *, out: int) -> None:
        assert left == right == out
        self.products += 1
        self.queued_s += 2 * float(left) ** 3 / self.flops_per_s


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> Torch:
    made = Torch("a1b2", flops_per_s=7e14)
    monkeypatch.setitem(sys.modules, "torch", made)
    return made


def test_a_load_lasts_as_long_as_it_is_asked_to_and_queues_few_products(torch: Torch) -> None:
    load = ProductLoad("GPU-a1b2")
    before_s, before = torch.queued_s, torch.products
    load(1.6)
    assert torch.queued_s - before_s == pytest.approx(1.6, rel=0.01)
    assert torch.products - before < 1000


def test_a_load_follows_a_card_that_clocks_down(torch: Torch) -> None:
    load = ProductLoad("GPU-a1b2")
    torch.flops_per_s /= 2
    lasted = []
    for _ in range(2):
        before_s = torch.queued_s
        load(1.6)
        lasted.append(torch.queued_s - before_s)
    assert lasted == [pytest.approx(3.2, rel=0.01), pytest.approx(1.6, rel=0.01)]


@pytest.mark.parametrize("properties", [SimpleNamespace(uuid="other"), SimpleNamespace()])
def test_a_card_that_torch_does_not_see_is_refused_with_advice(torch: Torch, properties: object) -> None:
    torch.properties = properties
    with pytest.raises(DeviceError, match="--idle-only"):
        ProductLoad("GPU-a1b2")


def test_a_calibration_is_printed_kept_and_named_by_the_next_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with StandInNvml(["a100"]) as nvml, nvml.loaded():
        monkeypatch.setattr(calibrating, "SystemClock", lambda: nvml.clock)
        assert main(["calibrate", "--idle-only", "--seconds", "20", "--json"]) == 0
        (printed,) = json.loads(capsys.readouterr().out)
        assert main(["calibrate", "--idle-only", "--seconds", "20"]) == 0
        text = capsys.readouterr().out
        found = discover(nvml.clock)
        for sensor in found.sensors:
            sensor.close()
    assert printed["domain"] == "gpu:0"
    assert printed["counter_refresh_s"] == pytest.approx(0.1, rel=0.05)
    assert "used by later runs" in text
    (energy,) = [sensor.info for sensor in found.sensors if "gpu:0" in sensor.info.domains]
    assert energy.calibration is not None
    assert energy.calibration.startswith(printed["uuid"][:12])


@pytest.mark.parametrize(
    ("state", "words"),
    [({"busy": 0.9}, "busy 90% of the time"), ({"processes": 2}, "2 other process(es) used the card")],
)
def test_a_card_that_does_not_idle_tells_no_idle_power(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    state: dict[str, Any],
    words: str,
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with StandInNvml(["a100"]) as nvml, nvml.loaded():
        strangers = [
            DeviceProcess(pid=pid, memory_bytes=1) for pid in range(1, 1 + state.pop("processes", 0))
        ]
        nvml.device(0).set_processes(strangers)
        nvml.device(0).set_state(**state)
        nvml.set_power(0, 300.0)
        monkeypatch.setattr(calibrating, "SystemClock", lambda: nvml.clock)
        assert main(["calibrate", "--idle-only", "--seconds", "20", "--json"]) == 0
    (printed,) = json.loads(capsys.readouterr().out)
    assert printed["idle_power_w"] is None
    assert printed["power_floor_w"] is None
    assert any(words in note for note in printed["notes"])


def test_a_card_without_any_reading_is_refused_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    with StandInNvml(["a100"]) as nvml, nvml.loaded():
        nvml.fault(Fault(function="nvmlDeviceGetFieldValues", code=NvmlCode.GPU_IS_LOST))
        assert main(["calibrate", "--idle-only", "--seconds", "20"]) == 2
    told = capsys.readouterr().err
    assert "gpu:0 (NVIDIA A100-SXM4-80GB): nvmlDeviceGetFieldValues: the GPU has fallen off the bus" in told
    assert "energyprof doctor" in told


def test_a_card_without_room_for_a_load_is_refused_with_advice(torch: Torch) -> None:
    def full(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 32 MiB\nmore")

    torch.randn = full  # type: ignore[assignment,method-assign]
    with pytest.raises(DeviceError, match=r"CUDA out of memory.*; free its memory, or .*--idle-only"):
        ProductLoad("GPU-a1b2")


def test_without_a_gpu_there_is_nothing_to_calibrate(capsys: pytest.CaptureFixture[str]) -> None:
    if discover().gpus:
        pytest.skip("this machine has a GPU")
    assert main(["calibrate"]) != 0
    assert "no GPU to calibrate" in capsys.readouterr().err
