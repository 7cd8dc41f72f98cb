"""Data sets by name: where they come from, and what is said when they do not."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from energyprof.errors import DataError, UnknownName
from learners.data import download
from learners.data.dataset import measure_pixels
from learners.data.datasets import DATASETS, DatasetEntry, entry, load, read
from learners.data.digits import read_digits

DATA = os.environ.get("ENERGYPROF_DATA")
needs_data = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA, reason="the real data sets are not here: set ENERGYPROF_DATA"),
]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let every download fail as it does without a network, and keep the user's cache out of it."""
    import pooch

    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("Name or service not known")

    monkeypatch.setenv(download.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(pooch, "retrieve", refuse)


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="unknown dataset 'mnits': did you mean 'mnist'"):
        load("mnits")


def test_digits_need_neither_folder_nor_network() -> None:
    digits = load("digits")
    assert digits.train_x.shape == (1497, 1, 8, 8)
    assert digits.test_x.shape == (300, 1, 8, 8)
    assert int(digits.train_x.max()) == digits.white == 16
    assert digits.spec.shape == (1, 8, 8)
    assert digits.spec.classes == 10


def test_digits_are_the_published_ones() -> None:
    """Class counts of the UCI test part, as its own documentation lists them."""
    arrays = read_digits()
    counts = np.bincount(np.concatenate([arrays[1], arrays[3]]), minlength=10)
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert load("digits").sha256 == "8adfbdba12a17911eb335b86c5ec8c8a2751832cea9615f5bf018904df1675b0"


def test_pixels_are_measured_exactly_by_channel() -> None:
    images = np.random.RandomState(0).randint(0, 256, (30, 3, 5, 4)).astype(np.uint8)
    mean, std = measure_pixels(images, 255)
    np.testing.assert_allclose(mean, (images / 255).mean((0, 2, 3)))
    np.testing.assert_allclose(std, (images / 255).std((0, 2, 3)))


def test_without_network_one_line_says_what_to_do(tiny_mnist: DatasetEntry, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"^mnist is not in .*could not be fetched from one\.invalid, two"
    ) as caught:
        read(tiny_mnist, tmp_path)
    assert "Name or service not known" in str(caught.value)
    assert "--data-dir" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_environment_variable_names_the_folder(
    tiny_mnist: DatasetEntry, idx_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENERGYPROF_DATA", str(idx_folder.parent))
    assert len(read(tiny_mnist).train_y) == 20


def test_an_argument_comes_before_the_environment_variable(
    tiny_mnist: DatasetEntry, idx_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENERGYPROF_DATA", "/nowhere")
    assert len(read(tiny_mnist, idx_folder.parent).train_y) == 20
    with pytest.raises(DataError, match=r"/nowhere \(ENERGYPROF_DATA\) is not there"):
        read(tiny_mnist)


def test_a_folder_that_is_not_there_is_an_error(tiny_mnist: DatasetEntry, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing \(--data-dir\) is not there"):
        read(tiny_mnist, tmp_path / "missing")


def test_counts_other_than_the_published_are_refused(tiny_mnist: DatasetEntry, idx_folder: Path) -> None:
    with pytest.raises(DataError, match="20 x 28 x 28 values, not 21 x 28 x 28"):
        read(replace(tiny_mnist, counts=(21, 10)), idx_folder)


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_every_entry_is_complete(name: str) -> None:
    found = entry(name)
    assert found.source
    assert found.licence
    assert 0 < found.validation_size < found.counts[0]
    if found.publication is not None:
        digests = {**found.publication.downloads, **found.publication.members}
        assert all(len(digest) == 32 for digest in digests.values())
        assert all(address.endswith("/") for address in found.publication.addresses)


@pytest.mark.parametrize(
    ("name", "sha256"),
    [
        ("mnist", "ac6fdde468d54fef6b744dbee6841f05346a5783fc54ff2794396f573338fd1c"),
        ("fashion-mnist", "caae1c174adf84c5a0437fb1e2682a76ef3ec87a93a855df46c6ea4c8bbed2eb"),
        ("cifar-10", "2d2ac2e22a8e856873c56b8d15eab863b9e6d0f50527a1705b8a80fd672adc20"),
    ],
)
class TestTheRealFiles:
    pytestmark = needs_data

    def test_they_decode_to_the_known_arrays(self, name: str, sha256: str) -> None:
        dataset = load(name, DATA)
        assert dataset.sha256 == sha256
        assert np.bincount(dataset.test_y).sum() == 10_000
        mean, _ = measure_pixels(dataset.train_x, 255)
        np.testing.assert_allclose(mean, dataset.mean, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "train", "validation", "mean", "std", "augmented"),
    [
        ("mnist", 50_000, 10_000, (0.1307,), (0.3081,), False),
        ("fashion-mnist", 54_000, 6_000, (0.2860,), (0.3530,), False),
        ("cifar-10", 45_000, 5_000, (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010), True),
        ("cifar-100", 45_000, 5_000, (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010), True),
    ],
)
def test_splits_and_scales_are_those_of_the_published_comparisons(
    name: str, train: int, validation: int, mean: object, std: object, augmented: bool
) -> None:
    found = DATASETS[name]
    assert (found.counts[0] - found.validation_size, found.validation_size) == (train, validation)
    assert found.counts[1] == 10_000
    assert found.pixels == (mean, std)
    assert found.augmented == augmented
