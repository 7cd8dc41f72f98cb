"""IDX files: gzipped and plain, whole and broken."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from energyprof.errors import DataError
from learners.data.datasets import DatasetEntry, read
from learners.data.idx import IDX_FILES, parse_idx

IMAGES, LABELS = IDX_FILES[:2]


def test_gzipped_files_give_the_arrays(
    tiny_mnist: DatasetEntry, idx_folder: Path, idx_arrays: tuple[NDArray[np.uint8], ...]
) -> None:
    dataset = read(tiny_mnist, idx_folder.parent)
    assert dataset.train_x.shape == (20, 1, 28, 28)
    np.testing.assert_array_equal(dataset.train_x[:, 0], idx_arrays[0])
    np.testing.assert_array_equal(dataset.test_y, idx_arrays[3])


def test_the_digest_of_the_data_does_not_depend_on_the_container(
    tiny_mnist: DatasetEntry, idx_folder: Path
) -> None:
    zipped = read(tiny_mnist, idx_folder.parent)
    for name in IDX_FILES:
        plain = gzip.decompress((idx_folder / name).read_bytes())
        (idx_folder / name).unlink()
        (idx_folder / name.removesuffix(".gz")).write_bytes(plain)
    assert read(tiny_mnist, idx_folder.parent).sha256 == zipped.sha256


def test_files_may_lie_directly_in_the_data_folder(tiny_mnist: DatasetEntry, idx_folder: Path) -> None:
    assert read(tiny_mnist, idx_folder).train_y.shape == (20,)


def test_a_truncated_gzip_file_is_refused_by_its_digest(tiny_mnist: DatasetEntry, idx_folder: Path) -> None:
    path = idx_folder / IMAGES
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match=r"train-images.*MD5.*truncated.*fetch it again"):
        read(tiny_mnist, idx_folder.parent)


def test_a_file_of_another_data_set_is_refused_by_its_digest(
    tiny_mnist: DatasetEntry, idx_folder: Path
) -> None:
    (idx_folder / LABELS).write_bytes(gzip.compress(b"something else"))
    with pytest.raises(DataError, match="is not the published file"):
        read(tiny_mnist, idx_folder.parent)


def plain_images(idx_folder: Path) -> bytes:
    return gzip.decompress((idx_folder / IMAGES).read_bytes())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b[:-1], "truncated"),
        (lambda b: b + b"\0", "too long"),
        (lambda b: b"\x00\x00\x08\x01" + b[4:], "begins with 0x00000801, not 0x00000803"),
        (lambda b: b[:10], "ends within its header"),
        (lambda b: b[:4] + b"\xff\xff\xff\xff" + b[8:], "4294967295 x 28 x 28 values, not 20 x 28 x 28"),
        (lambda b: b"", "begins with 0x,"),
    ],
)
def test_a_broken_plain_file_says_what_was_seen(change: object, message: str, idx_folder: Path) -> None:
    assert callable(change)
    with pytest.raises(DataError, match=message) as caught:
        parse_idx("images", change(plain_images(idx_folder)), (20, 28, 28))
    assert "\n" not in str(caught.value)


def test_a_missing_file_among_the_others_is_named(tiny_mnist: DatasetEntry, idx_folder: Path) -> None:
    (idx_folder / LABELS).unlink()
    with pytest.raises(DataError, match=r"mnist lacks train-labels-idx1-ubyte\.gz"):
        read(tiny_mnist, idx_folder.parent)


def test_a_label_out_of_range_is_refused(tiny_mnist: DatasetEntry, idx_folder: Path) -> None:
    path = idx_folder / LABELS
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[-1] = 10
    path.unlink()
    path.with_suffix("").write_bytes(content)
    with pytest.raises(DataError, match="a label 10, its classes are 0 to 9"):
        read(tiny_mnist, idx_folder.parent)


def test_an_unreadable_gzip_stream_is_an_error_of_one_line() -> None:
    from learners.data.source_file import unzip

    with pytest.raises(DataError, match="cannot be unzipped"):
        unzip("images.gz", b"\x1f\x8b\x08\x00 broken")
    with pytest.raises(DataError, match="cannot be unzipped"):
        unzip("images.gz", gzip.compress(bytes(1000))[:-6])
