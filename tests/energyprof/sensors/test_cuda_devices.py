"""CUDA_VISIBLE_DEVICES by index, UUID and MIG; CUDA's order against PCI order; torch's own word."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from energyprof.sensors.cuda_devices import visible_devices
from energyprof.sensors.nvml_device import list_devices
from energyprof.sensors.nvml_library import NvmlLibrary
from energyprof.testing.nvml import StandInNvml

MakeNvml = Callable[..., StandInNvml]
PCI = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def uuid(index: int) -> str:
    return f"GPU-57a0d1e5-0000-4000-8000-{index:012x}"


def choose(environment: dict[str, str], uuids: list[str] | None = None) -> tuple[list[int], tuple[str, ...]]:
    """Return the indices of the visible devices, and the notes."""
    library = NvmlLibrary.open()
    try:
        found, notes = visible_devices(library, list_devices(library), environment, uuids)
    finally:
        library.close()
    return [int(device.uuid[-12:], 16) for device in found], notes


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", [0]),
        ("2,0", [2, 0]),
        (" 1 , 3 ", [1, 3]),
        ("1,1", [1]),
        ("0,9,1", [0]),
        ("-1", []),
        ("1,-1,2", [1]),
        ("", []),
        ("NoDevFiles", []),
        (uuid(2), [2]),
        (f"{uuid(3)},{uuid(1)}", [3, 1]),
        ("GPU-57a0", []),  # the beginning of several
        ("rubbish", []),
    ],
)
def test_devices_are_chosen_as_cuda_chooses_them(
    value: str, expected: list[int], make_nvml: MakeNvml
) -> None:
    make_nvml("hopper", "hopper", "hopper", "hopper")
    assert choose({"CUDA_VISIBLE_DEVICES": value})[0] == expected


def test_a_uuid_may_be_cut_short_where_it_is_unique(make_nvml: MakeNvml) -> None:
    make_nvml("hopper")
    assert choose({"CUDA_VISIBLE_DEVICES": "GPU-57a0"}) == ([0], ())


def test_without_the_variable_all_devices_count(make_nvml: MakeNvml) -> None:
    make_nvml("hopper", "hopper")
    assert choose({}) == ([0, 1], ())


def test_hidden_devices_are_said_to_be_hidden(make_nvml: MakeNvml) -> None:
    make_nvml("hopper")
    found, notes = choose({"CUDA_VISIBLE_DEVICES": ""})
    assert found == []
    assert "hides every GPU" in notes[0]


def test_a_device_that_is_not_there_is_named(make_nvml: MakeNvml) -> None:
    make_nvml("hopper")
    assert "'7'" in choose({"CUDA_VISIBLE_DEVICES": "0,7"})[1][0]


def test_cards_of_different_kinds_have_no_sure_numbers_unless_cuda_counts_in_pci_order(
    make_nvml: MakeNvml,
) -> None:
    make_nvml("turing", "hopper")
    for environment in ({}, {"CUDA_VISIBLE_DEVICES": "1"}):
        assert "CUDA_DEVICE_ORDER=PCI_BUS_ID" in choose(environment)[1][-1]
        assert choose({**environment, **PCI})[1] == ()
    assert choose({"CUDA_VISIBLE_DEVICES": uuid(1)}) == ([1], ())


def test_a_mig_instance_stands_for_the_card_that_it_is_part_of(make_nvml: MakeNvml) -> None:
    nvml = make_nvml("hopper", "hopper")
    nvml.device(1).set_mig(2)
    for entry in (nvml.device(1).mig_uuids[1], f"MIG-{uuid(1)}/1/0"):
        found, notes = choose({"CUDA_VISIBLE_DEVICES": entry})
        assert found == [1]
        assert "the whole NVIDIA H100" in notes[0]
    assert choose({"CUDA_VISIBLE_DEVICES": "MIG-none"})[0] == []


def test_torch_knows_its_order_best(make_nvml: MakeNvml) -> None:
    make_nvml("turing", "hopper")
    assert choose({"CUDA_VISIBLE_DEVICES": "0"}, [uuid(1), uuid(0)]) == ([1, 0], ())
    assert choose({"CUDA_VISIBLE_DEVICES": uuid(0)}, ["GPU-unheard-of"])[0] == [0]
