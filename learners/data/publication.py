"""What a publisher put out: file names, MD5 digests, addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Publication"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """The files of one data set as published.

    Attributes:
        folders: folder names under which a data folder may hold it, the project's own name first.
        downloads: name -> MD5 (hex) of what is fetched.
        addresses: base addresses to fetch from, ending in a slash, best first.
        members: name -> MD5 of the files inside the archive that is fetched; empty where nothing is packed.
        archives: names that the archive may have in a data folder.
    """

    folders: tuple[str, ...]
    downloads: Mapping[str, str]
    addresses: tuple[str, ...]
    members: Mapping[str, str]
    archives: tuple[str, ...] = ()
