"""Names to data sets, and how each is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from energyprof.errors import DataError, UnknownName
from learners.data.cifar import decode_cifar, read_archive, read_members
from learners.data.dataset import Dataset, Images, Labels, digest, measure_pixels
from learners.data.digits import read_digits
from learners.data.download import Progress, cache_folder, fetch
from learners.data.folder import Found, data_folder, find_in
from learners.data.idx import read_idx_folder
from learners.data.publication import Publication
from learners.data.published import CIFAR_10, CIFAR_100, FASHION_MNIST, KMNIST, MNIST

__all__ = ["DATASETS", "DatasetEntry", "entry", "load", "read"]

Arrays = tuple[Images, Labels, Images, Labels]

#: channel means and standard deviations that the field uses for CIFAR, on the unit scale
_CIFAR_PIXELS: Final = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetEntry:
    """One data set that can be asked for by name.

    Attributes:
        name: as ``--dataset`` takes it.
        title: as a report shows it.
        shape: (C, H, W) of an image.
        classes: number of classes.
        counts: images published for training and for testing.
        validation_size: of the former, set apart for validation.
        pixels: means and standard deviations by channel on the unit scale; None: of the training images.
        decode: makes arrays of what was found; None for data inside the package.
        publication: what is published where; None for data inside the package.
        white: the value of a white pixel.
        augmented: whether training images are cropped and flipped unless said otherwise.
        source: who made it.
        licence: its licence, as far as one was published.
    """

    name: str
    title: str
    shape: tuple[int, int, int]
    classes: int
    counts: tuple[int, int]
    validation_size: int
    pixels: tuple[tuple[float, ...], tuple[float, ...]] | None
    decode: Callable[[DatasetEntry, Publication, Found], Arrays] | None = None
    publication: Publication | None = None
    white: int = 255
    augmented: bool = False
    source: str
    licence: str

    @property
    def summary(self) -> str:
        """Return one line: how many images of what size, and whose."""
        channels, height, width = self.shape
        colour = "colour " if channels == 3 else ""
        return (
            f"{sum(self.counts):,} {colour}images {height}x{width}, {self.classes} classes, "
            f"{self.counts[1]:,} of them to test on; {self.source}"
        )


def entry(name: str) -> DatasetEntry:
    """Return one data set's entry.

    Raises:
        UnknownName: no data set of that name; the message names the nearest.
    """
    if name not in DATASETS:
        raise UnknownName("dataset", name, DATASETS)
    return DATASETS[name]


def load(name: str, data_dir: str | Path | None = None, progress: Progress | None = None) -> Dataset:
    """Load a data set by name.

    Args:
        name: of :data:`DATASETS`.
        data_dir: a folder that may hold it; None: ``ENERGYPROF_DATA``. What is not there is downloaded.
        progress: told how a download goes on.

    Raises:
        UnknownName: no data set of that name.
        DataError: a file is missing, truncated or not the published one, or a download failed.
        OutputError: a download has nowhere to go.
    """
    return read(entry(name), data_dir, progress)


def read(
    entry: DatasetEntry, data_dir: str | Path | None = None, progress: Progress | None = None
) -> Dataset:
    """Read the data set of an entry: from the package, a folder, or a verified download.

    Raises:
        DataError: as :func:`load`.
    """
    if entry.publication is None or entry.decode is None:
        return _dataset(entry, read_digits())
    folder = data_folder(data_dir)
    found = None if folder is None else find_in(folder, entry.publication)
    if found is None:
        found = _download(entry.name, entry.publication, folder, progress)
    return _dataset(entry, entry.decode(entry, entry.publication, found))


def _download(name: str, publication: Publication, folder: Path | None, progress: Progress | None) -> Found:
    missing = f"{name} is not at hand" if folder is None else f"{name} is not in {folder}"
    files = fetch(missing, publication, cache_folder() / name, progress)
    if publication.members:
        return Found(files={}, archive=next(iter(files.values())))
    return Found(files=files)


def _dataset(entry: DatasetEntry, arrays: Arrays) -> Dataset:
    train_x, train_y, test_x, test_y = arrays
    _check_arrays(entry, arrays)
    mean, std = entry.pixels or measure_pixels(train_x, entry.white)
    return Dataset(
        name=entry.name,
        train_x=train_x,
        train_y=train_y,
        test_x=test_x,
        test_y=test_y,
        classes=entry.classes,
        white=entry.white,
        mean=mean,
        std=std,
        validation_size=entry.validation_size,
        augmented=entry.augmented,
        sha256=digest(*arrays),
        source=entry.source,
        licence=entry.licence,
    )


def _check_arrays(entry: DatasetEntry, arrays: Arrays) -> None:
    for images, labels, count in zip(arrays[::2], arrays[1::2], entry.counts, strict=True):
        if images.shape != (count, *entry.shape) or labels.shape != (count,):
            raise DataError(
                f"{entry.name} has images {images.shape} and labels {labels.shape} where {count} images "
                f"{entry.shape} were published: give the published files"
            )
        if int(labels.max()) >= entry.classes:
            raise DataError(
                f"{entry.name} has a label {int(labels.max())}, its classes are 0 to {entry.classes - 1}: "
                "give the published files"
            )


def _idx(entry: DatasetEntry, publication: Publication, found: Found) -> Arrays:
    return read_idx_folder(found.files, publication.downloads, entry.counts, entry.shape)


def _cifar(entry: DatasetEntry, publication: Publication, found: Found) -> Arrays:
    names = tuple(publication.members)  # the test batch is the last one
    if found.archive is not None:
        where, contents = found.archive, read_archive(found.archive, names)
    else:
        where = found.files[names[0]].parent
        contents = read_members(where, names)
    return decode_cifar(where, contents, publication.members, entry.shape, names[-1])


_ENTRIES: Final = (
    DatasetEntry(
        name="digits",
        title="Digits 8x8",
        shape=(1, 8, 8),
        classes=10,
        counts=(1497, 300),
        validation_size=200,
        pixels=None,
        white=16,
        source="UCI Optical Recognition of Handwritten Digits, test part; E. Alpaydin and C. Kaynak, 1998",
        licence="CC BY 4.0",
    ),
    DatasetEntry(
        name="mnist",
        title="MNIST",
        shape=(1, 28, 28),
        classes=10,
        counts=(60_000, 10_000),
        validation_size=10_000,
        pixels=((0.1307,), (0.3081,)),
        decode=_idx,
        publication=MNIST,
        source="Y. LeCun, C. Cortes and C. Burges",
        licence="CC BY-SA 3.0",
    ),
    DatasetEntry(
        name="fashion-mnist",
        title="Fashion-MNIST",
        shape=(1, 28, 28),
        classes=10,
        counts=(60_000, 10_000),
        validation_size=6_000,
        pixels=((0.2860,), (0.3530,)),
        decode=_idx,
        publication=FASHION_MNIST,
        source="Zalando Research; H. Xiao, K. Rasul and R. Vollgraf, 2017",
        licence="MIT",
    ),
    DatasetEntry(
        name="kmnist",
        title="Kuzushiji-MNIST",
        shape=(1, 28, 28),
        classes=10,
        counts=(60_000, 10_000),
        validation_size=10_000,
        pixels=None,
        decode=_idx,
        publication=KMNIST,
        source="ROIS-DS Center for Open Data in the Humanities; T. Clanuwat et al., 2018",
        licence="CC BY-SA 4.0",
    ),
    DatasetEntry(
        name="cifar-10",
        title="CIFAR-10",
        shape=(3, 32, 32),
        classes=10,
        counts=(50_000, 10_000),
        validation_size=5_000,
        pixels=_CIFAR_PIXELS,
        decode=_cifar,
        publication=CIFAR_10,
        augmented=True,
        source="A. Krizhevsky, 2009",
        licence="none published",
    ),
    DatasetEntry(
        name="cifar-100",
        title="CIFAR-100",
        shape=(3, 32, 32),
        classes=100,
        counts=(50_000, 10_000),
        validation_size=5_000,
        pixels=_CIFAR_PIXELS,
        decode=_cifar,
        publication=CIFAR_100,
        augmented=True,
        source="A. Krizhevsky, 2009",
        licence="none published",
    ),
)

DATASETS: Final[Mapping[str, DatasetEntry]] = {entry.name: entry for entry in _ENTRIES}
"""All data sets by name."""
