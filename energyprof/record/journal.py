"""What a run recorded in its last seconds, raw, beside the Arrow streams.

To encode a record batch once a second costs a training loop more than all the rest of recording, since the
encoder's code is never in any cache. So a second's rows are first written here as they lie in memory, with
one system call, and appended to the streams in larger batches; the journal then begins anew. It is removed
when the streams are closed, and is read only where a run was killed.

A chunk is a header (magic, stream, number of its first row within the stream, size) and its columns one after
the other, or text in JSON. Its first row's number tells which of its rows a stream has already.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["COLUMNS", "JOURNAL", "Journal", "Rows", "read_journal"]

JOURNAL: Final = "journal.bin"
#: The columns of each stream, in their order, and their types.
COLUMNS: Final = {
    "marks": {"time_ns": "<i8", "code": "<i4"},
    "samples": {"channel": "<i4", "since_ns": "<i8", "t_ns": "<i8", "value": "<f8", "gap": "<i1"},
    "device": {"row": "<i8", "device_ns": "<i8"},
}
_TEXTS: Final = ("metrics", "states")
_STREAMS: Final = (*COLUMNS, *_TEXTS)
_HEADER: Final = struct.Struct("<4sIqq")
_MAGIC: Final = b"EPJ1"

#: Rows of a stream: the number of the first, and their columns.
Rows = tuple[int, dict[str, NDArray[Any]]]


class Journal:
    """Writes the journal of one run."""

    def __init__(self, path: Path) -> None:
        """Prepare; the file is made with the first :meth:`write`."""
        self._path = path
        self._file = -1
        self._size = 0
        self._waiting: list[Any] = []

    def add(self, stream: str, first_row: int, columns: Sequence[Any]) -> None:
        """Add rows of a stream to what the next :meth:`write` writes.

        Args:
            stream: a key of :data:`COLUMNS`.
            first_row: the number of the first of them.
            columns: buffers of equal length, in the order of :data:`COLUMNS`.
        """
        if len(columns[0]):
            self._waiting.append(_HEADER.pack(_MAGIC, _STREAMS.index(stream), first_row, len(columns[0])))
            self._waiting.extend(columns)

    def add_text(self, stream: str, first_row: int, value: Any) -> None:
        """Add something that JSON can hold: ``metrics`` (a list of rows) or ``states``."""
        text = json.dumps(value).encode()
        self._waiting.append(_HEADER.pack(_MAGIC, _STREAMS.index(stream), first_row, len(text)) + text)

    def write(self) -> bool:
        """Write what was added; tell whether the disk took it. What it refused is forgotten. Never raises."""
        data, self._waiting = b"".join(self._waiting), []
        try:
            if self._file < 0:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
            elif not os.fstat(self._file).st_nlink:  # somebody removed it
                self._release()
                return False
            written = os.pwrite(self._file, data, self._size)
        except OSError:
            return False
        if written == len(data):
            self._size += written
        return written == len(data)

    def restart(self) -> None:
        """Forget everything: the streams have it."""
        self._waiting, self._size = [], 0
        if self._file >= 0:
            with suppress(OSError):  # what stays behind is told apart by the numbers of its rows
                os.ftruncate(self._file, 0)

    def close(self, *, remove: bool) -> None:
        """Close the file, and remove it where the streams have everything; a second call does nothing."""
        if self._file < 0:
            return
        self._release()
        if remove:
            with suppress(OSError):  # somebody removed it, or the folder
                self._path.unlink()

    def _release(self) -> None:
        with suppress(OSError):
            os.close(self._file)
        self._file, self._size = -1, 0


def read_journal(path: Path) -> tuple[dict[str, list[Rows]], dict[str, list[tuple[int, Any]]]]:
    """Read a journal, as much of it as is whole.

    Returns:
        The rows by stream, and the texts by stream with the number of their first row; both in the order in
        which they were written. Empty where there is no journal.
    """
    rows: dict[str, list[Rows]] = {}
    texts: dict[str, list[tuple[int, Any]]] = {}
    try:
        data = path.read_bytes()
    except OSError:
        return rows, texts
    at = 0
    with suppress(struct.error, ValueError, IndexError):  # cut off in its last chunk
        while at < len(data):
            magic, number, first, count = _HEADER.unpack_from(data, at)
            at += _HEADER.size
            if magic != _MAGIC or count < 0:
                break
            stream = _STREAMS[number]
            if stream in _TEXTS:
                texts.setdefault(stream, []).append((first, json.loads(data[at : at + count])))
                at += count
                continue
            columns = {}
            for name, kind in COLUMNS[stream].items():
                columns[name] = np.frombuffer(data, kind, count, at)
                at += columns[name].nbytes
            rows.setdefault(stream, []).append((first, columns))
    return rows, texts
