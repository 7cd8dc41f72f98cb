from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from learners.base import Batch, DataSpec
from learners.networks.architecture import parse_architecture
from learners.networks.blueprint import Blueprint

MakeBatch = Callable[..., Batch]
MakeBlueprint = Callable[..., Blueprint]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def spec() -> DataSpec:
    return DataSpec(shape=(1, 8, 8), classes=10)


@pytest.fixture
def make_batch() -> MakeBatch:
    def make(
        size: int = 32, shape: tuple[int, int, int] = (1, 8, 8), classes: int = 10, seed: int = 0
    ) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        x = torch.rand(size, *shape, generator=generator)
        return Batch(x, torch.randint(0, classes, (size,), generator=generator))

    return make


@pytest.fixture
def make_blueprint() -> MakeBlueprint:
    def make(
        arch: str, shape: tuple[int, int, int] = (1, 8, 8), classes: int = 10, seed: int = 0
    ) -> Blueprint:
        return Blueprint(
            spec=DataSpec(shape=shape, classes=classes),
            architecture=parse_architecture(arch),
            generator=torch.Generator().manual_seed(seed),
            device=torch.device("cpu"),
        )

    return make
