from __future__ import annotations

import pytest

from energyprof.analysis.beside import beside_sentences, with_gaps
from energyprof.record.model import EnergyBeside, Provenance, Quantity, ToolBeside


def joules(value: float) -> Quantity:
    return Quantity(value=value, source=Provenance.COUNTER)


def tool(gpus: int | None = 2, **energies: float | None) -> ToolBeside:
    found = tuple(EnergyBeside(kind=kind, energy_j=value) for kind, value in energies.items())
    return ToolBeside(tool="CodeCarbon 3.3.2", duration_s=1.0, gpus=gpus, energies=found)


OURS = {"gpu:0": joules(300.0), "gpu:1": joules(100.0), "cpu": joules(50.0)}


def test_each_kind_is_held_against_all_domains_of_that_kind() -> None:
    found = with_gaps(tool(gpu=380.0, cpu=55.0, ram=20.0), OURS)
    assert found is not None
    by_kind = {entry.kind: entry for entry in found.energies}
    assert (by_kind["gpu"].ours_j, by_kind["gpu"].relative_gap) == (400.0, pytest.approx(-0.05))
    assert (by_kind["cpu"].ours_j, by_kind["cpu"].relative_gap) == (50.0, pytest.approx(0.1))
    assert (by_kind["ram"].ours_j, by_kind["ram"].relative_gap) == (None, None)
    assert beside_sentences(found) == [
        "GPU: CodeCarbon counted 380 J, this record 400 J: 5.0 % less.",
        "CPU: CodeCarbon counted 55.0 J, this record 50.0 J: 10.0 % more.",
        "Memory: CodeCarbon counted 20.0 J; this record has none.",
    ]


def test_gaps_that_were_worked_out_before_are_worked_out_again() -> None:
    once = with_gaps(tool(gpu=380.0), OURS)
    assert with_gaps(once, OURS) == once


def test_memory_is_held_against_dram() -> None:
    found = with_gaps(tool(ram=20.0), {"dram": joules(20.0)})
    assert found is not None
    assert beside_sentences(found) == ["Memory: CodeCarbon counted 20.0 J, this record 20.0 J: the same."]


def test_where_one_of_our_devices_is_missing_there_is_no_figure_to_hold_against() -> None:
    found = with_gaps(tool(gpu=380.0), {**OURS, "gpu:1": Quantity.missing()})
    assert found is not None
    assert (found.energies[0].ours_j, found.energies[0].relative_gap) == (None, None)


@pytest.mark.parametrize(
    ("gpus", "words"),
    [(0, "saw no GPU"), (1, "saw 1 GPU and counted no energy"), (None, "counted no energy")],
)
def test_a_gpu_that_only_we_saw_is_said_in_words(gpus: int | None, words: str) -> None:
    found = with_gaps(tool(gpus, gpu=None), OURS)
    assert found is not None
    assert found.energies[0].relative_gap is None
    assert beside_sentences(found) == [f"GPU: CodeCarbon {words}; this record has 400 J."]


def test_what_neither_saw_is_not_talked_about() -> None:
    found = with_gaps(tool(0, gpu=None, ram=None), {})
    assert found is not None
    assert beside_sentences(found) == []


def test_a_tool_that_came_to_no_end_gave_no_energy() -> None:
    assert beside_sentences(ToolBeside(tool="CodeCarbon 3.3.2")) == ["CodeCarbon gave no energy."]
    assert with_gaps(None, OURS) is None
