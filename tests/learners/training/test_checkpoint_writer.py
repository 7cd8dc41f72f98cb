"""A disk that refuses a checkpoint costs the checkpoint and not the training."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from learners.training.checkpoint_file import read_checkpoint
from learners.training.checkpoint_writer import CheckpointWriter
from learners.training.loop import train
from learners.training.meter import NullMeter
from learners.training.protocol import Protocol

Fixture = Any  # classes that conftest hands out
CPU = torch.device("cpu")


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_training_goes_on_where_a_checkpoint_cannot_be_written(
    tmp_path: Path, tiny_task: Fixture, linear_softmax: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "c.pt"
    writer = CheckpointWriter(file, 1, {}, CPU)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(RuntimeWarning, match=r"cannot write the checkpoint .*No space left.*training goes on"):
        outcome = train(linear_softmax(16, 3), tiny_task, Protocol.fixed(2), NullMeter(), writer=writer)
    assert outcome.passes == 2
    assert not file.exists()


def test_what_a_full_disk_refused_is_written_when_the_run_is_interrupted_and_there_is_room_again(
    tmp_path: Path, tiny_task: Fixture, linear_softmax: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "c.pt"
    writer = CheckpointWriter(file, 1, {}, CPU)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(RuntimeWarning, match="training goes on"):
        train(linear_softmax(16, 3), tiny_task, Protocol.fixed(2), NullMeter(), writer=writer)
    monkeypatch.undo()
    writer.leave_last()
    assert read_checkpoint(file)["training"]["passes"] == 2


def test_a_folder_that_was_removed_is_made_anew(
    tmp_path: Path, tiny_task: Fixture, linear_softmax: Fixture
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    writer = CheckpointWriter(folder / "c.pt", 1, {}, CPU)
    shutil.rmtree(folder)
    train(linear_softmax(16, 3), tiny_task, Protocol.fixed(1), NullMeter(), writer=writer)
    assert (folder / "c.pt").exists()
