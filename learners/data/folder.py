"""Where a data set's files lie: the user's data folder, in any of the layouts that people have."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from energyprof.errors import DataError
from learners.data.publication import Publication

__all__ = ["DATA_VARIABLE", "Found", "data_folder", "find_in"]

DATA_VARIABLE: Final = "ENERGYPROF_DATA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The files of one data set: each by its published name, or all inside one archive."""

    files: dict[str, Path]
    archive: Path | None = None


def data_folder(given: str | Path | None) -> Path | None:
    """Return the folder that was asked for: the argument, else ``ENERGYPROF_DATA``, else None.

    Raises:
        DataError: there is no such folder.
    """
    text = given if given is not None else os.environ.get(DATA_VARIABLE) or None
    if text is None:
        return None
    folder = Path(text).expanduser()
    if not folder.is_dir():
        origin = "--data-dir" if given is not None else DATA_VARIABLE
        raise DataError(f"the data folder {folder} ({origin}) is not there: give one that exists")
    return folder


def find_in(folder: Path, publication: Publication) -> Found | None:
    """Look for a data set in a folder: in a sub-folder of its name, or directly.

    A file may be there gzipped, as published, or plain; packed members may lie in the open or in an archive.

    Returns:
        What was found, or None where nothing of it is there.

    Raises:
        DataError: some of its files are there and others are not.
    """
    partial: tuple[Path, list[str]] | None = None
    for place in _places(folder, publication.folders):
        if archive := next((place / name for name in publication.archives if (place / name).is_file()), None):
            return Found(files={}, archive=archive)
        names = tuple(publication.members or publication.downloads)
        files = _files(place, names)
        if len(files) == len(names):
            return Found(files=files)
        if files and partial is None:
            partial = place, [name for name in names if name not in files]
    if partial is not None:
        raise DataError(f"{partial[0]} lacks {', '.join(partial[1])}: put the missing files there")
    return None


def _places(folder: Path, names: Iterable[str]) -> Iterator[Path]:
    yield from (folder / name for name in names)
    yield folder


def _files(place: Path, names: tuple[str, ...]) -> dict[str, Path]:
    found = {}
    for name in names:
        for candidate in (place / name, place / name.removesuffix(".gz")):
            if candidate.is_file():
                found[name] = candidate
                break
    return found
