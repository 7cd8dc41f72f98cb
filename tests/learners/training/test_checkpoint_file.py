"""A checkpoint on disk: whole or not there, read without code, refused in one line."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from energyprof.errors import OutputError, RecordError
from learners.training.checkpoint_file import read_checkpoint, write_checkpoint

CONTENT = {"numbers": [1, 2.5, None, True], "text": "x", "tensors": {"a": torch.arange(600.0), 3: (1, 2)}}


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "c.pt", CONTENT)
    found = read_checkpoint(tmp_path / "c.pt")
    assert found.pop("schema") == "energyprof.checkpoint/1"
    assert torch.equal(found["tensors"].pop("a"), CONTENT["tensors"]["a"])  # type: ignore[index]
    assert found == {"numbers": [1, 2.5, None, True], "text": "x", "tensors": {3: (1, 2)}}


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9, 0.99, 0.999])
def test_a_truncated_file_is_named(tmp_path: Path, kept: float) -> None:
    file = tmp_path / "c.pt"
    write_checkpoint(file, CONTENT)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(
        RecordError, match=r"c\.pt is no whole checkpoint \(.*\): it is truncated or something"
    ):
        read_checkpoint(file)


class Harmful:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (Path("harm").touch, ())


def test_code_in_a_file_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"schema": "energyprof.checkpoint/1", "x": Harmful()}, "c.pt")
    Path("d.pt").write_bytes(pickle.dumps(Harmful()))
    for name in ("c.pt", "d.pt"):
        with pytest.raises(RecordError, match=f"{name} is no whole checkpoint"):
            read_checkpoint(Path(name))
    assert not Path("harm").exists()


@pytest.mark.parametrize("content", [{"a": 1}, [1], {"schema": "energyprof.checkpoint/99"}])
def test_another_kind_of_file_is_told_by_its_schema(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "c.pt")
    with pytest.raises(RecordError, match="is no checkpoint of this energyprof: it has schema"):
        read_checkpoint(tmp_path / "c.pt")


def test_a_missing_file_says_how_it_would_have_come_to_be(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"there is no checkpoint .*--checkpoint-every"):
        read_checkpoint(tmp_path / "c.pt")


def test_a_failure_leaves_the_older_checkpoint_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "c.pt"
    write_checkpoint(file, {"number": 1})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match=r"cannot write the checkpoint .*c\.pt: No space left on device"):
        write_checkpoint(file, {"number": 2})
    assert read_checkpoint(file)["number"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["c.pt"]
