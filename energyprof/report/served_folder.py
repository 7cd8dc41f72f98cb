"""Which file of a folder of runs an address stands for: reports and traces by name, and nothing else.

An address never becomes a path. Its two parts are looked up among the run folders that are there and among
the names that a run's files have, and what is found must lie inside the folder once all links are followed.
"""

from __future__ import annotations

import io
import stat
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import unquote_to_bytes

from energyprof.record.store import REPORT_JSON, list_runs
from energyprof.report.folder import FolderEntry, read_entry
from energyprof.report.page import GENERATOR

__all__ = ["Document", "ServedFolder"]

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".csv": "text/csv; charset=utf-8",
    ".arrow": "application/vnd.apache.arrow.stream",
    ".parquet": "application/vnd.apache.parquet",
    ".gz": "application/gzip",
}
_TABLES: Final = ("steps", "samples", "phases")
_RUN_FILES: Final = frozenset(
    ["report.html", REPORT_JSON, "trace.perfetto.json.gz"]
    + [f"{name}.arrow" for name in ("steps", "samples", "metrics", "device")]
    + [f"{name}.{form}" for name in _TABLES for form in ("csv", "parquet")]
)
_HEAD_BYTES: Final = 4096  # how far into a page its generator stands


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What an address stands for.

    Attributes:
        media_type: for the ``Content-Type`` header.
        size: in bytes.
        stream: its bytes; whoever asked for the document closes it.
    """

    media_type: str
    size: int
    stream: BinaryIO


class ServedFolder:
    """A folder of runs as addresses see it. Writes nothing; the index is made in memory.

    Args:
        out: the folder of all runs.
        promoted: returns the ids of runs that stand in a baseline, marked in the index.
    """

    def __init__(self, out: Path, promoted: Callable[[], Collection[str]] = frozenset) -> None:
        self._out, self._promoted = out, promoted
        self._root = out.resolve()
        self._lock = threading.Lock()
        self._entries: dict[str, tuple[object, FolderEntry]] = {}
        self._index: tuple[object, bytes] = (None, b"")

    def find(self, target: str) -> Document | None:
        """Return the document that a request's target (``/run/report.html``) stands for, or None."""
        match _parts(target):
            case [""] | ["index.html"]:
                page = self.index()
                return Document(media_type=_TYPES[".html"], size=len(page), stream=io.BytesIO(page))
            case [name] if name.endswith(".html") and name in _names(self._out):
                return _own_page(self._open(self._out / name))
            case [run, name] if name in _RUN_FILES and run in {
                folder.name for folder in list_runs(self._out)
            }:
                return self._open(self._out / run / name)
        return None

    def index(self) -> bytes:
        """Return the index of the folder, made anew where a run came, went or changed."""
        from energyprof.report.index import render_index

        with self._lock:
            folders, promoted = list_runs(self._out), frozenset(self._promoted())
            states = {folder.name: _state(folder) for folder in folders}
            key = (states, promoted)
            if key != self._index[0]:
                entries = [self._entry(folder, states[folder.name]) for folder in folders]
                self._entries = {e.folder: (states[e.folder], e) for e in entries}
                self._index = (key, render_index(entries, promoted).encode())
            return self._index[1]

    def _entry(self, folder: Path, state: object) -> FolderEntry:
        known = self._entries.get(folder.name)
        if known is not None and known[0] == state:
            return known[1]
        if not all(self._inside(path) for path in (folder, folder / REPORT_JSON)):
            reason = "it is a link that leads out of this folder, and is not served"
            return FolderEntry(folder=folder.name, report=None, reason=reason)
        entry = read_entry(folder)
        return replace(entry, page=entry.page and self._inside(folder / "report.html"))

    def _inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self._root)

    def _open(self, path: Path) -> Document | None:
        try:
            real = path.resolve(strict=True)
            about = real.stat()
            if not real.is_relative_to(self._root) or not stat.S_ISREG(about.st_mode):
                return None
            return Document(media_type=_TYPES[path.suffix], size=about.st_size, stream=real.open("rb"))
        except OSError:  # it went away, or may not be read: for who asks there is no such document
            return None


def _parts(target: str) -> list[str] | None:
    """Split a target into its decoded parts; None where it is no plain absolute path."""
    path = target.partition("?")[0]
    if not path.startswith("/"):
        return None
    try:
        parts = [unquote_to_bytes(part).decode() for part in path[1:].split("/")]
    except UnicodeDecodeError:
        return None
    return None if any(part in (".", "..") or set(part) & set("/\\\0") for part in parts) else parts


def _names(folder: Path) -> set[str]:
    try:
        return {path.name for path in folder.iterdir()}
    except OSError:
        return set()


def _own_page(document: Document | None) -> Document | None:
    """Return a page of this folder's top only if energyprof wrote it: a comparison, say."""
    if document is None:
        return None
    if GENERATOR.encode() not in document.stream.read(_HEAD_BYTES):
        document.stream.close()
        return None
    document.stream.seek(0)
    return document


def _state(folder: Path) -> tuple[object, ...]:
    """Return what changes when a run's report does."""

    def of(name: str) -> tuple[int, int] | None:
        try:
            about = (folder / name).stat()
        except OSError:
            return None
        return about.st_mtime_ns, about.st_size

    return of(REPORT_JSON), of("report.html") is not None
