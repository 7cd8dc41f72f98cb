from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from energyprof.testing.cards import Card
from energyprof.testing.nvml import StandInNvml

MakeNvml = Callable[..., StandInNvml]


@pytest.fixture
def make_nvml() -> Iterator[MakeNvml]:
    """Makes stand-in machines in virtual time, loaded into pynvml until the test ends."""
    with ExitStack() as stack:

        def make(*cards: Card | str, **options: object) -> StandInNvml:
            nvml = stack.enter_context(StandInNvml(cards or ("hopper",), **options))  # type: ignore[arg-type]
            stack.enter_context(nvml.loaded())
            return nvml

        yield make
