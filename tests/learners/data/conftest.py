"""Tiny data sets in the published formats, with digests of their own."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from learners.data.datasets import DATASETS, DatasetEntry
from learners.data.idx import IDX_FILES
from learners.data.publication import Publication

COUNTS = (20, 10)


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def idx(array: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def tiny_pixels(shape: tuple[int, ...], seed: int) -> NDArray[np.uint8]:
    return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)


def tiny_labels(count: int) -> NDArray[np.uint8]:
    return (np.arange(count) % 10).astype(np.uint8)


@pytest.fixture
def idx_arrays() -> tuple[NDArray[np.uint8], ...]:
    train, test = COUNTS
    return (
        tiny_pixels((train, 28, 28), 0),
        tiny_labels(train),
        tiny_pixels((test, 28, 28), 1),
        tiny_labels(test),
    )


@pytest.fixture
def idx_contents(idx_arrays: tuple[NDArray[np.uint8], ...]) -> dict[str, bytes]:
    """Return the four files, gzipped."""
    contents = (gzip.compress(idx(array), mtime=0) for array in idx_arrays)
    return dict(zip(IDX_FILES, contents, strict=True))


@pytest.fixture
def tiny_mnist(idx_contents: dict[str, bytes]) -> DatasetEntry:
    publication = Publication(
        folders=("mnist",),
        downloads={name: md5(content) for name, content in idx_contents.items()},
        addresses=("https://one.invalid/", "https://two.invalid/"),
        members={},
    )
    return replace(DATASETS["mnist"], counts=COUNTS, validation_size=5, publication=publication)


@pytest.fixture
def idx_folder(tmp_path: Path, idx_contents: dict[str, bytes]) -> Path:
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    for name, content in idx_contents.items():
        (folder / name).write_bytes(content)
    return folder


def python_2_pickle(data: NDArray[np.uint8], labels: list[int]) -> bytes:
    """Return a batch as Python 2 and numpy of 2009 wrote it: protocol 2, ``str`` for bytes."""
    rows, columns = data.shape
    out = io.BytesIO()
    out.write(b"\x80\x02}(U\x04data")
    out.write(b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01")
    out.write(b"J" + struct.pack("<i", rows) + b"J" + struct.pack("<i", columns) + b"\x86")
    out.write(
        b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    out.write(b"\x89T" + struct.pack("<i", data.nbytes) + data.tobytes() + b"tb")
    out.write(b"U\x06labels](" + b"".join(b"K" + bytes([label]) for label in labels) + b"eu.")
    return out.getvalue()


def python_3_pickle(data: NDArray[np.uint8], labels: list[int]) -> bytes:
    return pickle.dumps({b"data": data, b"labels": labels}, protocol=2)


@pytest.fixture(params=[python_2_pickle, python_3_pickle])
def cifar_contents(request: pytest.FixtureRequest) -> dict[str, bytes]:
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    return {
        name: request.param(
            tiny_pixels((4 if "data" in name else 10, 3072), seed), [seed] * (4 if "data" in name else 10)
        )
        for seed, name in enumerate(names)
    }


@pytest.fixture
def tiny_cifar(cifar_contents: dict[str, bytes]) -> DatasetEntry:
    original = DATASETS["cifar-10"].publication
    assert original is not None
    members = {name: md5(content) for name, content in cifar_contents.items()}
    return replace(
        DATASETS["cifar-10"],
        counts=COUNTS,
        validation_size=5,
        publication=replace(original, members=members, addresses=("https://one.invalid/",)),
    )


@pytest.fixture
def cifar_folder(tmp_path: Path, cifar_contents: dict[str, bytes]) -> Path:
    folder = tmp_path / "data" / "cifar-10" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for name, content in cifar_contents.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def write_archive(cifar_contents: dict[str, bytes]) -> Callable[[Path, str], Path]:
    """Return a function that packs the members below a folder, as published."""

    def write(path: Path, mode: str) -> Path:
        with tarfile.open(path, mode) as out:  # type: ignore[call-overload]
            for name, content in {"batches.meta": b"x", **cifar_contents}.items():
                member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
                member.size = len(content)
                out.addfile(member, io.BytesIO(content))
        return path

    return write
