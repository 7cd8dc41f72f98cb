from __future__ import annotations

import sys
from pathlib import Path

import pytest

from energyprof.errors import UnknownName
from energyprof.testing import peers
from energyprof.testing.cards import CARDS
from energyprof.testing.loads import TRAINING_STEP
from energyprof.testing.peers import PeerResult, PeerScenario, against

SHORT = PeerScenario(name="short", cards=(CARDS["ada"], CARDS["ada"]), shape=TRAINING_STEP, steps=10)


def test_a_tool_is_run_in_a_process_of_its_own_and_held_against_truth() -> None:
    told: list[PeerResult] = []
    (result,) = against(["energyprof"], [SHORT], told.append)
    assert told == [result]
    assert result.note == ""
    assert result.steps == 10
    assert result.zero_steps == 0
    assert result.truth_j is not None
    assert result.truth_j > 2 * 10 * 13.45
    assert result.error is not None
    assert result.reported_j == pytest.approx(result.truth_j * (1 + result.error))


def test_a_tool_that_is_not_installed_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "_version", lambda name: None)
    (result,) = against(["zeus"], [SHORT])
    assert result == PeerResult(
        peer="zeus", version=None, scenario="short", note="not installed: pip install zeus"
    )


def test_a_tool_that_fails_leaves_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "_version", lambda name: "0")
    monkeypatch.setitem(peers.ADAPTERS, "broken", lambda: None)  # type: ignore[arg-type]
    (result,) = against(["broken"], [SHORT])
    assert result.reported_j is None
    assert "KeyError" in result.note


def test_a_tool_that_dies_leaves_its_last_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho started >&2\necho 'Segmentation fault' >&2\nexit 139\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    (result,) = against(["energyprof"], [SHORT])
    assert result.note.endswith("without an answer: Segmentation fault")


def test_a_tool_without_an_adapter_is_named_with_those_that_have_one() -> None:
    with pytest.raises(UnknownName, match="did you mean 'zeus'"):
        against(["zeuss"])
