"""Verified downloads into a cache, by pooch."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from energyprof.errors import DataError, OutputError
from learners.data.publication import Publication

__all__ = ["CACHE_VARIABLE", "Progress", "cache_folder", "fetch"]

Progress = Callable[[str, int, int | None], None]
"""Told how a download goes on: file name, bytes so far, bytes in all (None where the server does not say)."""

CACHE_VARIABLE: Final = "ENERGYPROF_CACHE"
_TIMEOUT_S: Final = 30  # without a sign of life from the server


def cache_folder() -> Path:
    """Return the user's cache folder for data sets (``ENERGYPROF_CACHE`` says where else)."""
    import pooch

    return Path(os.environ.get(CACHE_VARIABLE) or pooch.os_cache("energyprof"))


def fetch(
    missing: str, publication: Publication, folder: Path, progress: Progress | None = None
) -> dict[str, Path]:
    """Fetch what is not in the cache yet; check what is.

    Args:
        missing: what is missing, the beginning of a message: ``mnist is not at hand``.
        publication: names, digests and addresses.
        folder: where the files are kept.
        progress: told how it goes on.

    Returns:
        Published name -> path of a file whose digest is right.

    Raises:
        DataError: no address answered, or what it sent has another digest.
        OutputError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the cache folder {folder} cannot be made ({error.strerror}): "
            f"name another one in {CACHE_VARIABLE}"
        ) from error
    with _silent_pooch():
        return {
            name: _fetch_one(missing, name, md5, publication.addresses, folder, progress)
            for name, md5 in publication.downloads.items()
        }


def _fetch_one(
    missing: str, name: str, md5: str, addresses: tuple[str, ...], folder: Path, progress: Progress | None
) -> Path:
    import pooch

    hosts = ", ".join(dict.fromkeys(urlsplit(address).netloc for address in addresses))
    problem: Exception | None = None
    for address in addresses:
        bar = _Bar(name, progress) if progress is not None else False
        loader = pooch.HTTPDownloader(progressbar=bar, timeout=_TIMEOUT_S)
        try:
            return Path(
                pooch.retrieve(address + name, f"md5:{md5}", fname=name, path=folder, downloader=loader)
            )
        except (OSError, ValueError) as error:  # what requests and pooch raise: no answer, wrong digest
            problem = error
    if isinstance(problem, ValueError):
        reason = f"{name} from {hosts} does not have the published MD5 {md5}"
    else:
        reason = f"{name} could not be fetched from {hosts} ({_cause(problem)})"
    raise DataError(
        f"{missing} and {reason}: put its files into a folder and give --data-dir, or use "
        "--dataset digits, which needs no download"
    ) from problem


class _Bar:
    """What pooch takes for a progress bar; it tells a callback."""

    def __init__(self, name: str, progress: Progress) -> None:
        self.total: int = 0
        self._name, self._progress, self._done = name, progress, 0

    def update(self, size: int) -> None:
        """Count bytes."""
        self._done += size
        total = self.total or None
        self._progress(self._name, min(self._done, total) if total else self._done, total)

    def reset(self) -> None:
        """Begin again: pooch does so before it tells the whole size at the end."""
        self._done = 0

    def close(self) -> None:
        """End."""


@contextmanager
def _silent_pooch() -> Iterator[None]:
    """Keep pooch from printing: the caller shows progress in its own way."""
    import pooch

    logger = pooch.get_logger()
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def _cause(error: BaseException | None) -> str:
    """Return the innermost reason in a few words: libraries wrap it several times over."""
    seen: Any = error
    while isinstance(inner := (seen.__cause__ or seen.__context__), BaseException):
        seen = inner
    text = str(seen).strip().splitlines()
    return text[0][:120] if text else type(seen).__name__
