"""Which sensors are found, and what is said about those that are not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest

from energyprof.record.model import Provenance
from energyprof.sensors import discovery
from energyprof.sensors.discovery import Discovery, discover
from energyprof.testing.cards import CARDS
from energyprof.testing.clock import VirtualClock
from energyprof.testing.faults import Fault, NvmlCode
from energyprof.testing.nvml import StandInNvml
from energyprof.testing.powercap import FakePowercap

MakeNvml = Callable[..., StandInNvml]


def look(
    nvml: StandInNvml, environment: dict[str, str] | None = None, powercap: Path | None = None
) -> Discovery:
    found = discover(nvml.clock, environment=environment or {}, powercap=powercap or Path("/nowhere"))
    for sensor in found.sensors:
        sensor.close()
    return found


def names(found: Discovery) -> list[str]:
    return [sensor.info.name for sensor in found.sensors]


@pytest.fixture(autouse=True)
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget torch, which another test may have loaded: what is found depends on it."""
    monkeypatch.delitem(sys.modules, "torch", raising=False)


def test_every_gpu_has_energy_and_state_and_a_number_among_those_measured(make_nvml: MakeNvml) -> None:
    found = look(
        make_nvml("hopper", "a100"), {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "1"}
    )
    assert names(found) == ["nvml:gpu:0", "nvml-state:gpu:0", "cpu-model", "memory:host"]
    (gpu,) = found.gpus
    assert (gpu.domain, gpu.name) == ("gpu:0", "NVIDIA A100-SXM4-80GB")
    assert gpu.architecture == "Ampere (GA100)"
    assert gpu.driver == "570.00"
    assert gpu.power_limit_w == 400
    assert gpu.uuid.startswith("GPU-")


def test_no_library_is_a_sentence_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", absent)
    found = discover(VirtualClock(10**9), environment={}, powercap=Path("/nowhere"))
    assert "libnvidia-ml.so.1 was not found; install the NVIDIA driver" in found.problems[0]
    assert found.gpus == ()
    for sensor in found.sensors:
        sensor.close()


def test_without_pynvml_the_package_to_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    found = discover(VirtualClock(10**9), environment={}, powercap=Path("/nowhere"))
    assert "install nvidia-ml-py" in found.problems[0]
    for sensor in found.sensors:
        sensor.close()


@pytest.mark.parametrize(
    ("function", "code", "words"),
    [
        ("nvmlInit", NvmlCode.DRIVER_NOT_LOADED, "modprobe nvidia"),
        ("nvmlInit", NvmlCode.NO_PERMISSION, "/dev/nvidia"),
        ("nvmlDeviceGetCount", NvmlCode.UNKNOWN, "cannot be listed"),
        ("nvmlDeviceGetFieldValues", NvmlCode.GPU_IS_LOST, "its energy is missing"),
    ],
)
def test_a_driver_that_does_not_answer_is_a_sentence_with_advice(
    function: str, code: NvmlCode, words: str, make_nvml: MakeNvml
) -> None:
    nvml = make_nvml("hopper")
    nvml.fault(Fault(function=function, code=code))
    found = look(nvml)
    assert any(words in problem for problem in found.problems), found.problems
    assert "cpu-model" in names(found)


def test_one_gpu_that_is_lost_leaves_the_others_with_their_numbers(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper", "hopper")
    nvml.fault(Fault(function="nvmlDeviceGetFieldValues", device=0, code=NvmlCode.GPU_IS_LOST))
    found = look(nvml)
    assert [gpu.domain for gpu in found.gpus] == ["gpu:0", "gpu:1"]
    assert "nvml:gpu:1" in names(found)
    assert "nvml:gpu:0" not in names(found)


def test_one_gpu_that_answers_nothing_at_all_leaves_the_others_and_is_told(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper", "ada")
    nvml.fault(Fault(device=0, code=NvmlCode.GPU_IS_LOST))
    found = look(nvml)
    assert [(gpu.domain, gpu.name) for gpu in found.gpus] == [("gpu:0", CARDS["ada"].name)]
    assert "nvml:gpu:0" in names(found)
    assert any("1 of 2 NVIDIA GPUs gave no answer" in problem for problem in found.problems)


def test_a_driver_that_is_merely_flaky_at_the_start_hides_no_gpu(make_nvml: MakeNvml) -> None:
    for seed in range(8):
        nvml = make_nvml("hopper")
        nvml.fault(Fault(probability=0.3, seed=seed))
        found = look(nvml)
        assert "nvml:gpu:0" in names(found), found.problems


def test_a_machine_whose_driver_shows_no_gpu_says_so(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper")
    nvml.device(0)._shared.block.device_count = 0
    assert any("shows no GPU" in problem for problem in look(nvml).problems)


def test_hidden_gpus_are_not_measured_and_that_is_said(make_nvml: MakeNvml) -> None:
    found = look(make_nvml("hopper"), {"CUDA_VISIBLE_DEVICES": ""})
    assert found.gpus == ()
    assert any("hides every GPU" in problem for problem in found.problems)


def test_a_partitioned_card_says_that_its_sensors_cover_all_of_it(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper")
    nvml.device(0).set_mig(3)
    found = look(nvml, {"CUDA_VISIBLE_DEVICES": nvml.device(0).mig_uuids[0]})
    assert "partitioned (MIG)" in found.sensors[0].info.semantics
    assert any("its other instances included" in problem for problem in found.problems)


def test_with_rapl_the_cpu_is_measured_and_not_estimated(make_nvml: MakeNvml, tmp_path: Path) -> None:
    nvml = make_nvml("hopper")
    tree = FakePowercap(tmp_path, nvml.clock)
    package = tree.add("package-0", 80.0)
    tree.add("dram", 9.0, parent=package.key)
    found = look(nvml, powercap=tree.root)
    assert "cpu-model" not in names(found)
    assert {"rapl:package-0", "rapl:package-0-dram"} <= set(names(found))
    assert found.problems == ()
    domains = {domain for sensor in found.sensors for domain in sensor.info.domains}
    assert domains == {"gpu:0", "cpu", "dram"}


def test_without_rapl_the_estimate_is_called_an_estimate(make_nvml: MakeNvml) -> None:
    found = look(make_nvml("hopper"))
    model = next(sensor for sensor in found.sensors if sensor.info.name == "cpu-model")
    assert model.info.source is Provenance.ESTIMATED
    assert any("not measured: it is estimated" in problem for problem in found.problems)
    assert any("main memory is not measured" in problem for problem in found.problems)


def test_all_that_was_opened_is_given_back(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper", "hopper")
    look(nvml)
    with pytest.raises(pynvml.NVMLError_Uninitialized):
        pynvml.nvmlDeviceGetCount()


def test_looking_imports_neither_torch_nor_codecarbon_nor_pandas() -> None:
    code = (
        "import sys; from energyprof.sensors.discovery import discover; discover();"
        "heavy = {'torch', 'codecarbon', 'pandas', 'pyarrow'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_ranks_of_a_node_find_each_gpu_and_the_host_once(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper", "hopper")
    ranks = [{"RANK": str(k), "WORLD_SIZE": "2", "LOCAL_RANK": str(k)} for k in range(2)]
    first, second = (look(nvml, environment) for environment in ranks)
    assert names(first) == ["nvml:gpu:0", "nvml-state:gpu:0", "cpu-model", "memory:host"]
    assert names(second) == ["nvml:gpu:1", "nvml-state:gpu:1", "memory:host"]
    assert [gpu.domain for gpu in second.gpus] == ["gpu:1"]
    assert any("first rank" in problem for problem in second.problems)


def rank_uuids(nvml: StandInNvml, monkeypatch: pytest.MonkeyPatch, *visible: str) -> list[list[str]]:
    """Return the GPUs that each of two ranks records, which torchrun with all GPUs started."""
    monkeypatch.setattr(discovery, "launcher_environment", lambda *_: {})
    ranks = [
        {"RANK": str(k), "WORLD_SIZE": "2", "LOCAL_RANK": str(k), "CUDA_VISIBLE_DEVICES": shown}
        for k, shown in enumerate(visible)
    ]
    return [[gpu.uuid for gpu in look(nvml, environment).gpus] for environment in ranks]


def test_ranks_with_several_gpus_of_their_own_record_all_of_these(
    make_nvml: MakeNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvml = make_nvml(*["hopper"] * 4)
    first, second = rank_uuids(nvml, monkeypatch, "0,1", "2,3")
    assert (len(first), len(second), len({*first, *second})) == (2, 2, 4)


def test_ranks_that_see_the_same_gpus_in_another_order_record_each_once(
    make_nvml: MakeNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = rank_uuids(make_nvml("hopper", "hopper"), monkeypatch, "0,1", "1,0")
    assert (len(first), len(second), len({*first, *second})) == (1, 1, 2)


def test_where_the_launcher_tells_nothing_some_gpus_are_dealt_with_a_word_of_what_may_be_missing(
    make_nvml: MakeNvml,
) -> None:
    nvml = make_nvml(*["hopper"] * 4)
    found = look(nvml, {"RANK": "0", "WORLD_SIZE": "2", "CUDA_VISIBLE_DEVICES": "0,1"})
    assert len(found.gpus) == 1
    assert any("nobody measures the rest" in problem for problem in found.problems)


def test_what_torch_allocates_is_sampled_where_there_is_a_gpu(
    make_nvml: MakeNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    allocator = SimpleNamespace(is_initialized=lambda: False, memory_stats_as_nested_dict=lambda _: {})
    monkeypatch.setitem(
        sys.modules, "torch", SimpleNamespace(cuda=allocator, version=SimpleNamespace(cuda="12.6"))
    )
    found = look(make_nvml("hopper"))
    (memory,) = [sensor for sensor in found.sensors if sensor.info.name == "memory:torch"]
    assert [spec.name for spec in memory.channels] == [
        "gpu:0/memory_allocated",
        "gpu:0/memory_reserved",
        "gpu:0/memory_peak",
    ]
