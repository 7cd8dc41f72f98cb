"""How much is free: the system's word, and a container's limit."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
import torch

from energyprof.errors import UsageError
from learners.training import free_memory
from learners.training.free_memory import free_bytes, require_room

CPU = torch.device("cpu")


def control_group(folder: Path, limit: str, used: int, inactive: int = 0) -> Path:
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {inactive}\nactive_file 9\n")
    return folder


def test_on_the_host_it_is_what_the_system_has_available(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(free_memory, "_CONTROL_GROUP", tmp_path)
    system = psutil.virtual_memory().total
    assert 0 < free_bytes(CPU) <= system


def test_the_limit_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(free_memory, "_CONTROL_GROUP", control_group(tmp_path, "5000", 4000, 300))
    assert free_bytes(CPU) == 1300
    monkeypatch.setattr(free_memory, "_CONTROL_GROUP", control_group(tmp_path, "5000", 6000))
    assert free_bytes(CPU) == 0


@pytest.mark.parametrize("limit", ["max", "", "none"])
def test_a_container_without_a_limit_leaves_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(free_memory, "_CONTROL_GROUP", control_group(tmp_path, limit, 1))
    assert free_bytes(CPU) > 1 << 20


def test_a_refusal_says_how_much_is_wanted_and_how_much_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(free_memory, "_CONTROL_GROUP", control_group(tmp_path, str(3 << 20), 0))
    require_room(3 << 20, CPU, "a tensor", "take less")
    with pytest.raises(UsageError, match=r"a tensor takes 4\.0 MiB, 3\.0 MiB are free on cpu: take less"):
        require_room(4 << 20, CPU, "a tensor", "take less")
