"""``doctor --prove``: what is printed, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from energyprof.cli import main
from energyprof.testing import peers, scenarios
from energyprof.testing.peers import PeerResult
from energyprof.testing.promises import ScenarioResult

KEPT = ScenarioResult(
    scenario="steady 300 W", sensor="hopper", promise="within 1%", truth=3600.0, reported=3599.0, kept=True
)
BROKEN = replace(KEPT, reported=1800.0, kept=False)

Capture = pytest.CaptureFixture[str]


def prove_to(monkeypatch: pytest.MonkeyPatch, *results: ScenarioResult) -> None:
    def prove(tell: Callable[[ScenarioResult], object]) -> list[ScenarioResult]:
        for result in results:
            tell(result)
        return list(results)

    monkeypatch.setattr(scenarios, "prove", prove)


def test_promises_that_are_kept_exit_with_0(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    prove_to(monkeypatch, KEPT, KEPT)
    assert main(["doctor", "--prove"]) == 0
    assert "All 2 promises are kept" in capsys.readouterr().out


def test_one_broken_promise_exits_with_1(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    prove_to(monkeypatch, KEPT, BROKEN)
    assert main(["doctor", "--prove"]) == 1
    text = capsys.readouterr().out
    assert "1 of 2 promises are broken" in text
    assert "1800.0 J" in text
    assert main(["doctor", "--prove", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["kept"] is False


def test_other_tools_stand_beside_ours(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    prove_to(monkeypatch, KEPT)
    asked: list[str] = []

    def against(names: list[str]) -> list[PeerResult]:
        asked.extend(names)
        return [
            PeerResult(scenario="steady 300 W", peer=name, version=None, note="not installed")
            for name in names
        ]

    monkeypatch.setattr(peers, "against", against)
    assert main(["doctor", "--prove", "--against", "zeus, perun,zeus"]) == 0
    assert asked == ["energyprof", "zeus", "perun"]
    assert "not installed" in capsys.readouterr().out


def test_an_unknown_tool_is_said_before_anything_is_proved(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def prove(tell: object) -> list[ScenarioResult]:
        raise AssertionError("this takes half a minute")

    monkeypatch.setattr(scenarios, "prove", prove)
    assert main(["doctor", "--against", "zuse"]) == 2
    assert "did you mean 'zeus'" in capsys.readouterr().err
