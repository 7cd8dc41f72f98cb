"""The published files of each data set, their MD5 digests and addresses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from learners.data.idx import IDX_FILES
from learners.data.publication import Publication

__all__ = ["CIFAR_10", "CIFAR_100", "FASHION_MNIST", "KMNIST", "MNIST"]

_KRIZHEVSKY: Final = ("https://www.cs.toronto.edu/~kriz/",)


def _idx(folders: tuple[str, ...], addresses: tuple[str, ...], digests: Sequence[str]) -> Publication:
    return Publication(
        folders=folders,
        downloads=dict(zip(IDX_FILES, digests, strict=True)),
        addresses=addresses,
        members={},
    )


MNIST: Final = _idx(
    ("mnist", "MNIST/raw", "MNIST"),
    (
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    (
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
)
FASHION_MNIST: Final = _idx(
    ("fashion-mnist", "FashionMNIST/raw", "FashionMNIST"),
    ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    (
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
)
KMNIST: Final = _idx(
    ("kmnist", "KMNIST/raw", "KMNIST"),
    ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
    (
        "bdb82020997e1d708af4cf47b453dcf7",
        "e144d726b3acfaa3e44228e80efcd344",
        "5c965bf0a639b31b8f53240b1b52f4d7",
        "7320c461ea6c1c855c0b718fb2a4b134",
    ),
)
CIFAR_10: Final = Publication(
    folders=("cifar-10", "cifar-10/cifar-10-batches-py", "cifar-10-batches-py"),
    downloads={"cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"},
    addresses=_KRIZHEVSKY,
    members={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    },
    archives=(
        "cifar-10-python.tar.gz",
        "cifar-10-python.tar.xz",
        "cifar-10-batches-py.tar.xz",
        "cifar-10-batches-py.tar.gz",
    ),
)
CIFAR_100: Final = Publication(
    folders=("cifar-100", "cifar-100/cifar-100-python", "cifar-100-python"),
    downloads={"cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85"},
    addresses=_KRIZHEVSKY,
    members={"train": "16019d7e3df5f24257cddd939b257f8d", "test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
    archives=("cifar-100-python.tar.gz", "cifar-100-python.tar.xz"),
)
