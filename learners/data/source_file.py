"""A file's bytes, checked against what was published."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path

from energyprof.errors import DataError

__all__ = ["check_md5", "read_bytes", "unzip"]


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror or error}): check its path and permissions"
        ) from error


def check_md5(name: str, content: bytes, expected: str) -> None:
    """Refuse content whose MD5 is not the published one.

    Args:
        name: the file, as the message names it.
        content: its bytes.
        expected: the published digest, hex.

    Raises:
        DataError: the digests differ.
    """
    seen = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if seen != expected:
        raise DataError(
            f"{name} is not the published file: its MD5 is {seen}, not {expected} ({len(content):,} bytes); "
            f"it is truncated, changed or of another data set: fetch it again"
        )


def unzip(name: str, content: bytes) -> bytes:
    """Return what a gzip file holds.

    Raises:
        DataError: it is truncated or no gzip file.
    """
    try:
        return gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{name} cannot be unzipped ({error}), seen {len(content):,} bytes: fetch it again"
        ) from error
