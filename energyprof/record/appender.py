"""An Arrow IPC stream that grows while a run goes on and survives whatever ends the run.

Each flush encodes one record batch in memory and writes it with one ``write``. A failed write (full disk) is
rolled back to the last whole batch and tried again with the next flush, so a stream on disk is cut at most in
its last batch.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from energyprof.errors import OutputError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ArrowAppender"]

_MOST_PENDING_BYTES: Final = 64 * 1024 * 1024
_PIECE_BYTES: Final = 1 << 16
_CREATE: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
_COPIED_BYTES: Final = 1 << 24


class ArrowAppender:
    """Append columns to an Arrow IPC stream file.

    Args:
        path: the file; it is created, and must not exist.
        columns: name -> Arrow type name: ``int64``, ``int32``, ``float64``, ``bool`` or ``name`` (a
            dictionary of strings; rows carry indices into the list of names given to :meth:`append`).
        metadata: kept in the stream's schema.

    Raises:
        OutputError: the file cannot be created.
    """

    def __init__(
        self, path: Path, columns: Mapping[str, str], metadata: Mapping[str, str] | None = None
    ) -> None:
        import pyarrow as pa

        kinds = {
            "int64": pa.int64(),
            "int32": pa.int32(),
            "float64": pa.float64(),
            "bool": pa.bool_(),
            "name": pa.dictionary(pa.int32(), pa.string()),
        }
        self.path = path
        self.lost_rows = 0
        self.problem: str | None = None
        self._columns = dict(columns)
        self._pending = bytearray()
        self._pending_rows = 0
        self._size = 0
        self._owner = os.getpid()
        self._begun = False
        try:
            self._file = os.open(path, _CREATE, 0o666)
        except OSError as error:
            raise OutputError(f"cannot create {path}: {error.strerror}") from error
        self._types = {name: kinds[kind] for name, kind in columns.items()}
        self._names: pa.Array | None = None
        self._schema = pa.schema(list(self._types.items()), metadata)
        options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True, compression="lz4")
        # Arrow writes in a dozen pieces, and would wait for the interpreter's lock before each of them.
        self._sink = pa.BufferedOutputStream(pa.PythonFile(_Sink(self._pending), "w"), _PIECE_BYTES)
        self._writer = pa.ipc.new_stream(self._sink, self._schema, options=options)

    @property
    def size_bytes(self) -> int:
        """Return how many bytes are on disk."""
        return self._size

    def append(self, rows: Mapping[str, Any], names: Sequence[str] = ()) -> None:
        """Append rows and put them on disk; a disk that refuses is noted in :attr:`problem`, never raised.

        Args:
            rows: column -> array of equal lengths; a ``name`` column holds int32 indices into ``names``.
            names: all names so far, in order; it only ever grows.
        """
        count = len(next(iter(rows.values())))
        if (count == 0 and self._begun) or os.getpid() != self._owner:
            return
        self._begun = True  # the first batch, be it empty, brings the schema with it
        if len(self._pending) > _MOST_PENDING_BYTES:
            self.lost_rows += count
        else:
            self._writer.write_batch(self._batch(rows, names))
            self._sink.flush()
            self._pending_rows += count
        self._write()

    @property
    def refused_rows(self) -> int:
        """Return how many rows the disk refused and still lacks; :meth:`copy_to` has them."""
        return self._pending_rows

    def close(self) -> None:
        """End the stream and close the file; a second call does nothing."""
        if self._file < 0:
            return
        if os.getpid() == self._owner:
            self._writer.close()
            self._sink.flush()
            self._write()
        with suppress(OSError):  # some disks say only now that they are full: nothing is left to be done
            os.close(self._file)
        self._file = -1

    def copy_to(self, path: Path) -> None:
        """Write the stream to another file, with what its own disk refused. For a closed stream.

        Raises:
            OSError: it cannot be written there, or not be read here.
        """
        with open(self.path, "rb") as own, open(path, "xb") as copy:
            shutil.copyfileobj(own, copy)
            copy.write(self._pending)
        self._pending_rows = 0

    def _batch(self, rows: Mapping[str, Any], names: Sequence[str]) -> pa.RecordBatch:
        import pyarrow as pa

        arrays = []
        for name, kind in self._columns.items():
            if kind == "name":
                if self._names is None or len(self._names) != len(names):  # it only ever grows
                    self._names = pa.array(names, pa.string())
                arrays.append(pa.DictionaryArray.from_arrays(pa.array(rows[name], pa.int32()), self._names))
            else:
                arrays.append(pa.array(rows[name], self._types[name]))
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _write(self) -> None:
        self._restore_if_removed()
        try:
            _write_all(self._file, bytes(self._pending), self._size)
        except OSError as error:
            self.problem = f"{self.path.name} could not be written for a while: {error.strerror}"
            with suppress(OSError):  # what is cut in its last batch can be read up to it
                os.ftruncate(self._file, self._size)
            return
        self._size += len(self._pending)
        self._pending.clear()
        self._pending_rows = 0

    def _restore_if_removed(self) -> None:
        """Write the file anew where somebody removed it: its contents live on behind the open descriptor."""
        if not self._is_removed():
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            anew = os.open(self.path, _CREATE, 0o666)
        except OSError as error:
            self.problem = f"{self.path.name} was removed while the run went on: {error.strerror}"
            return
        try:
            for start in range(0, self._size, _COPIED_BYTES):
                piece = os.pread(self._file, min(_COPIED_BYTES, self._size - start), start)
                _write_all(anew, piece, start)
        except OSError as error:
            self.problem = f"{self.path.name} was removed while the run went on: {error.strerror}"
            with suppress(OSError):
                self.path.unlink()
            os.close(anew)
            return
        os.close(self._file)
        self._file = anew
        self.problem = f"{self.path.name} was removed while the run went on: it was written anew"

    def _is_removed(self) -> bool:
        try:
            os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:  # it may not be told, as on a network share whose ticket ran out: writing will show
            return False
        return False


def _write_all(file: int, data: bytes, start: int) -> None:
    written = 0
    while written < len(data):
        written += os.pwrite(file, data[written:], start + written)


class _Sink:
    """A file as far as Arrow's writer needs one, ending in a bytearray."""

    closed = False

    def __init__(self, buffer: bytearray) -> None:
        self._buffer = buffer

    def write(self, data: Any) -> int:
        self._buffer += data
        return len(data)

    def writable(self) -> bool:
        return True

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass
