"""The IDX format of MNIST and its kin: a big-endian header, then bytes.

Header: two zero bytes, the type of an element (8: unsigned byte), the number of dimensions; then each
dimension as 32 bits (LeCun, Cortes and Burges, "The MNIST database", file formats).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from energyprof.errors import DataError
from learners.data.dataset import Images, Labels
from learners.data.source_file import check_md5, read_bytes, unzip

__all__ = ["IDX_FILES", "parse_idx", "read_idx_folder"]

IDX_FILES: Final = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
_UNSIGNED_BYTE: Final = 8


def read_idx_folder(
    files: Mapping[str, Path],
    digests: Mapping[str, str],
    counts: tuple[int, int],
    shape: tuple[int, int, int],
) -> tuple[Images, Labels, Images, Labels]:
    """Read four IDX files, gzipped or plain.

    A gzipped file is checked against its published MD5. A plain one has no published digest: its header, its
    dimensions and its length are checked.

    Args:
        files: published name (of :data:`IDX_FILES`) -> where it lies, its name with or without ``.gz``.
        digests: published name -> MD5.
        counts: number of training and of test images.
        shape: (C, H, W) of an image; C is 1.

    Returns:
        Training images and labels, test images and labels.

    Raises:
        DataError: a file is truncated, of another data set or no IDX file.
    """
    arrays = []
    for index, name in enumerate(IDX_FILES):
        count = counts[index // 2]
        dimensions = (count,) if index % 2 else (count, *shape[1:])
        arrays.append(_read(files[name], digests[name], dimensions))
    train_x, train_y, test_x, test_y = arrays
    return train_x[:, None], train_y, test_x[:, None], test_y


def parse_idx(name: str, content: bytes, dimensions: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return the array in the content of an IDX file.

    Args:
        name: the file, as messages name it.
        content: its bytes, unzipped.
        dimensions: what its header must say.

    Raises:
        DataError: the magic number, the dimensions or the length are others.
    """
    magic = struct.pack(">HBB", 0, _UNSIGNED_BYTE, len(dimensions))
    if content[:4] != magic:
        raise DataError(
            f"{name} is no IDX file of {len(dimensions)} dimensions: it begins with "
            f"0x{content[:4].hex()}, not 0x{magic.hex()}; give the published file"
        )
    start = 4 + 4 * len(dimensions)
    length = start + math.prod(dimensions)
    if len(content) < start:
        raise DataError(f"{name} ends within its header, at {len(content)} bytes: fetch it again")
    seen = struct.unpack(f">{len(dimensions)}I", content[4:start])
    if seen != dimensions:
        raise DataError(
            f"{name} holds {_times(seen)} values, not {_times(dimensions)}: give the published file"
        )
    if len(content) != length:
        raise DataError(
            f"{name} has {len(content):,} bytes where its header announces {length:,}: it is "
            f"{'truncated' if len(content) < length else 'too long'}; fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(dimensions)


def _read(path: Path, md5: str, dimensions: tuple[int, ...]) -> NDArray[np.uint8]:
    content = read_bytes(path)
    if path.suffix == ".gz":
        check_md5(str(path), content, md5)
        content = unzip(str(path), content)
    return parse_idx(str(path), content, dimensions)


def _times(dimensions: tuple[int, ...]) -> str:
    return " x ".join(map(str, dimensions))
