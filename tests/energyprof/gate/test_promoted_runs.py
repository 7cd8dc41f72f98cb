from __future__ import annotations

from pathlib import Path

import pytest

from energyprof.errors import ConfigError
from energyprof.gate.baseline import Baseline
from energyprof.gate.baseline_file import render_baseline
from energyprof.gate.observation import Observation
from energyprof.gate.promoted_runs import promoted_ids
from energyprof.record.model import RunStatus

BUDGET = """schema = "energyprof.budget/1"
[[budget]]
name = "mf"
unguarded = "a test"
baseline = "{path}"
[budget.metrics.energy_j]
max_increase = "5%"
primary = true
"""


def shelve(path: Path, *ids: str) -> None:
    runs = [
        Observation(
            id=name,
            digest=name,
            status=RunStatus.COMPLETED,
            started_at=None,
            ended_at=None,
            host=None,
            seed=0,
        )
        for name in ids
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    made = Baseline(budget="mf", promoted_at="2026", reason="first", runs=tuple(runs))
    path.write_text(render_baseline(made))


def test_baselines_of_every_device_count(tmp_path: Path) -> None:
    folder = tmp_path / "a [b]"
    shelve(folder / "baselines" / "mf" / "cpu.json", "one", "two")
    shelve(folder / "baselines" / "mf" / "card.json", "three")
    shelve(folder / "elsewhere" / "mf" / "card.json", "four")
    config = folder / "energyprof.toml"
    config.write_text(BUDGET.replace("{path}", "baselines/{budget}/{device}.json"))
    assert promoted_ids(config) == {"one", "two", "three"}
    config.write_text(BUDGET.replace("{path}", "baselines/none/{device}.json"))
    assert promoted_ids(config) == frozenset()


def test_a_folder_without_budgets_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert promoted_ids() == frozenset()
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert promoted_ids() == frozenset()


def test_the_budgets_of_this_folder_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shelve(tmp_path / "kept.json", "one")
    (tmp_path / "energyprof.toml").write_text(BUDGET.replace("{path}", "kept.json"))
    assert promoted_ids() == {"one"}


def test_a_baseline_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept.json").write_text("{")
    (tmp_path / "energyprof.toml").write_text(BUDGET.replace("{path}", "kept.json"))
    with pytest.raises(ConfigError, match=r"kept\.json"):
        promoted_ids()
