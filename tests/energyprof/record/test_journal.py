"""The journal: what is written is read back, whatever cut it off."""

from __future__ import annotations

import errno
import os
from array import array
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.record.journal import Journal, read_journal


def marks(*times: int) -> tuple[array[int], array[int]]:
    return array("q", times), array("i", [7] * len(times))


def written(path: Path) -> list[tuple[int, list[int]]]:
    rows, _ = read_journal(path)
    return [(first, columns["time_ns"].tolist()) for first, columns in rows.get("marks", [])]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.bin"


def test_rows_and_texts_are_read_back_in_their_order(path: Path) -> None:
    journal = Journal(path)
    journal.add("marks", 0, marks(1, 2))
    journal.add_text("metrics", 0, [[5, "loss", 0.5]])
    assert journal.write()
    journal.add("marks", 2, marks(3))
    journal.add("marks", 3, marks())
    assert journal.write()
    rows, texts = read_journal(path)
    assert written(path) == [(0, [1, 2]), (2, [3])]
    assert rows["marks"][0][1]["code"].tolist() == [7, 7]
    assert texts == {"metrics": [(0, [[5, "loss", 0.5]])]}


def test_nothing_is_made_before_there_is_something_to_write(path: Path) -> None:
    Journal(path).close(remove=True)
    assert not path.exists()
    assert read_journal(path) == ({}, {})


@given(size=st.integers(0, 400))
@settings(max_examples=60, deadline=None)
def test_a_journal_cut_off_anywhere_gives_what_was_whole(
    size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("cut") / "journal.bin"
    journal = Journal(path)
    for k in range(5):
        journal.add("marks", 2 * k, marks(k, k))
        journal.add_text("states", 0, {"k": k})
    journal.write()
    whole = written(path)
    os.truncate(path, min(size, path.stat().st_size))
    found = written(path)
    assert found == whole[: len(found)]


def test_what_is_no_journal_holds_nothing(path: Path) -> None:
    path.write_bytes(b"not a journal at all" * 10)
    assert read_journal(path) == ({}, {})


def test_begun_anew_it_holds_only_what_came_later(path: Path) -> None:
    journal = Journal(path)
    journal.add("marks", 0, marks(1, 2, 3))
    journal.write()
    journal.add("marks", 3, marks(4))
    journal.restart()
    journal.add("marks", 4, marks(5))
    journal.write()
    assert written(path) == [(4, [5])]


def test_a_full_disk_is_told_and_leaves_what_was_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(path)
    journal.add("marks", 0, marks(1))
    assert journal.write()

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    journal.add("marks", 1, marks(2))
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        assert not journal.write()
    assert written(path) == [(0, [1])]


def test_a_write_that_was_cut_short_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(path)
    journal.add("marks", 0, marks(1))
    monkeypatch.setattr(os, "pwrite", lambda *_: 3)
    assert not journal.write()


def test_one_that_somebody_removed_is_made_anew(path: Path) -> None:
    journal = Journal(path)
    journal.add("marks", 0, marks(1))
    journal.write()
    path.unlink()
    journal.add("marks", 1, marks(2))
    assert not journal.write()
    journal.add("marks", 2, marks(3))
    assert journal.write()
    assert written(path) == [(2, [3])]


def test_closing_removes_it_where_the_streams_have_everything(path: Path) -> None:
    for remove in (False, True):
        journal = Journal(path)
        journal.add("marks", 0, marks(1))
        journal.write()
        journal.close(remove=remove)
        journal.close(remove=remove)
        assert path.exists() is not remove
