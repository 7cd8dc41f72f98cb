"""What every test shares: browser tests that must not be skipped where they are required."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("suite", derandomize=True, deadline=None)  # the same examples in every run
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def treat_denormals_as_before() -> Generator[None]:
    """Undo what a training run sets for its process: other tests need numbers close to zero."""
    yield
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_flush_denormal(False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a browser test that is skipped although the environment promises a browser."""
    outcome = yield
    required = os.environ.get("ENERGYPROF_REQUIRE_BROWSER") == "1"
    if required and outcome.skipped and item.get_closest_marker("browser"):
        outcome.outcome = "failed"
        outcome.longrepr = f"skipped although ENERGYPROF_REQUIRE_BROWSER=1: {outcome.longrepr}"
    return outcome
