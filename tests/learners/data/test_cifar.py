"""CIFAR batches: in a folder and in archives, whole and broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from energyprof.errors import DataError
from learners.data.datasets import DatasetEntry, read

WriteArchive = Callable[[Path, str], Path]


def test_batches_in_a_folder_give_images_by_planes(tiny_cifar: DatasetEntry, cifar_folder: Path) -> None:
    dataset = read(tiny_cifar, cifar_folder.parent.parent)
    assert dataset.train_x.shape == (20, 3, 32, 32)
    assert dataset.train_y.tolist() == [i for i in range(5) for _ in range(4)]
    assert dataset.test_y.tolist() == [5] * 10
    expected = np.random.RandomState(1).randint(0, 256, (4, 3072)).astype(np.uint8)
    np.testing.assert_array_equal(dataset.train_x[4:8].reshape(4, 3072), expected)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("cifar-10-python.tar.gz", "w:gz"),
        ("cifar-10-batches-py.tar.xz", "w:xz"),
    ],
)
def test_an_archive_gives_the_same_data_as_the_folder(
    name: str, mode: str, tiny_cifar: DatasetEntry, cifar_folder: Path, write_archive: WriteArchive
) -> None:
    loose = read(tiny_cifar, cifar_folder.parent.parent)
    place = cifar_folder.parent.parent / "elsewhere"
    place.mkdir()
    write_archive(place / name, mode)
    assert read(tiny_cifar, place).sha256 == loose.sha256


def test_a_truncated_archive_is_an_error_of_one_line(
    tiny_cifar: DatasetEntry, tmp_path: Path, write_archive: WriteArchive
) -> None:
    path = write_archive(tmp_path / "cifar-10-python.tar.gz", "w:gz")
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz.*truncated") as caught:
        read(tiny_cifar, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_archive_is_refused(tiny_cifar: DatasetEntry, tmp_path: Path) -> None:
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"not an archive" * 100)
    with pytest.raises(DataError, match="cannot be unpacked"):
        read(tiny_cifar, tmp_path)


def test_an_archive_without_a_batch_names_it(
    tiny_cifar: DatasetEntry,
    tmp_path: Path,
    write_archive: WriteArchive,
    cifar_contents: dict[str, bytes],
) -> None:
    del cifar_contents["data_batch_3"]
    write_archive(tmp_path / "cifar-10-python.tar.gz", "w:gz")
    with pytest.raises(DataError, match="does not hold data_batch_3"):
        read(tiny_cifar, tmp_path)


def test_a_changed_batch_is_refused_by_its_digest(tiny_cifar: DatasetEntry, cifar_folder: Path) -> None:
    path = cifar_folder / "data_batch_2"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(DataError, match=r"data_batch_2 is not the published file: its MD5 is"):
        read(tiny_cifar, cifar_folder)


def test_images_of_another_shape_are_refused(tiny_cifar: DatasetEntry, cifar_folder: Path) -> None:
    with pytest.raises(DataError, match=r"data \(4, 3072\) for 4 labels of images \(3, 16, 16\)"):
        read(replace(tiny_cifar, shape=(3, 16, 16)), cifar_folder)
