"""The python pickles of CIFAR-10 and CIFAR-100, in a folder or inside the published archive.

A batch is a dictionary: ``data`` (n, 3072) bytes, a row the red, green and blue plane of an image, each by
rows; ``labels`` or ``fine_labels`` a list of n numbers (Krizhevsky 2009).
"""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from energyprof.errors import DataError
from learners.data.dataset import Images, Labels
from learners.data.restricted_pickle import PickledArray, load_restricted
from learners.data.source_file import check_md5, read_bytes

__all__ = ["decode_cifar", "read_archive", "read_members"]

_LABELS: Final = ("fine_labels", "labels")  # CIFAR-100 has coarse labels too; the fine ones are its classes
_LARGEST_MEMBER_BYTES: Final = 1 << 28  # the largest published one has 155 MB


def read_archive(path: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Return the bytes of members of a tar archive (plain, gz, xz or bz2), found by their last name.

    Nothing is written to disk.

    Raises:
        DataError: it cannot be read to the last of these members, or lacks one.
    """
    wanted = set(names)
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                if name in wanted and name not in found and member.isfile():
                    found[name] = _extract(archive, member)
                if len(found) == len(wanted):
                    break
    except (OSError, EOFError, tarfile.TarError, lzma.LZMAError, zlib.error) as error:
        raise DataError(
            f"{path} cannot be unpacked ({error}): it is truncated or no archive; fetch it again"
        ) from error
    missing = sorted(wanted - found.keys())
    if missing:
        raise DataError(f"{path} does not hold {', '.join(missing)}: it is truncated or of another data set")
    return found


def read_members(folder: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Return the bytes of files in a folder by name."""
    return {name: read_bytes(folder / name) for name in names}


def decode_cifar(
    where: Path,
    contents: dict[str, bytes],
    digests: Mapping[str, str],
    shape: tuple[int, int, int],
    test: str,
) -> tuple[Images, Labels, Images, Labels]:
    """Decode CIFAR batches whose digests are the published ones.

    Args:
        where: folder or archive, for messages.
        contents: name of a batch -> its bytes; each is let go of once it is decoded.
        digests: name of a batch -> published MD5; the order is that of the training images.
        shape: (C, H, W).
        test: the name of the test batch.

    Returns:
        Training images and labels, test images and labels.

    Raises:
        DataError: a digest differs or a batch is not what it should be.
    """
    parts: dict[str, tuple[Images, Labels]] = {}
    for name, md5 in digests.items():
        title = f"{where}: {name}"
        content = contents.pop(name)
        check_md5(title, content, md5)
        parts[name] = _decode(title, content, shape)
    test_x, test_y = parts.pop(test)
    images, labels = zip(*parts.values(), strict=True)
    return np.concatenate(images), np.concatenate(labels), test_x, test_y


def _decode(title: str, content: bytes, shape: tuple[int, int, int]) -> tuple[Images, Labels]:
    batch = load_restricted(title, content)
    pixels, labels = batch.get("data"), next((batch[key] for key in _LABELS if key in batch), None)
    if not isinstance(pixels, PickledArray) or not isinstance(labels, list):
        raise DataError(f"{title} holds {', '.join(sorted(batch)) or 'nothing'}, not data and labels")
    rows = len(labels)
    if pixels.shape != (rows, shape[0] * shape[1] * shape[2]):
        raise DataError(f"{title} holds data {pixels.shape} for {rows} labels of images {shape}")
    return pixels.array().reshape(rows, *shape), _bytes(title, labels)


def _bytes(title: str, labels: list[Any]) -> NDArray[np.uint8]:
    try:
        return np.frombuffer(bytes(labels), np.uint8)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{title} holds labels that are not numbers from 0 to 255: give the published file"
        ) from error


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if member.size > _LARGEST_MEMBER_BYTES:
        raise tarfile.ReadError(f"{member.name} claims {member.size:,} bytes")
    stream = archive.extractfile(member)
    content = b"" if stream is None else stream.read()
    if len(content) != member.size:
        raise tarfile.ReadError(f"{member.name} ends after {len(content):,} of {member.size:,} bytes")
    return content
