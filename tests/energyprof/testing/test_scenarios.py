"""The promises of the package, kept: every group of the scenario suite."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from energyprof.testing import scenarios
from energyprof.testing.promises import ScenarioResult

Group = Callable[[], Iterator[ScenarioResult]]


@pytest.mark.parametrize("group", scenarios.SCENARIOS, ids=lambda group: group.__name__)
def test_every_promise_of_a_group_is_kept(group: Group) -> None:
    results = list(group())
    broken = [result for result in results if not result.kept]
    assert results
    assert not broken, "\n".join(map(str, broken))


def test_proving_tells_each_result_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    first = ScenarioResult(scenario="a", sensor="b", promise="c", kept=True)
    second = ScenarioResult(scenario="d", sensor="e", promise="f", kept=False)
    monkeypatch.setattr(scenarios, "SCENARIOS", (lambda: iter([first]), lambda: iter([second])))
    told: list[ScenarioResult] = []
    assert scenarios.prove(told.append) == [first, second] == told
