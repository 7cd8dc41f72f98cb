"""Arms: the runs of one learner in one configuration, named by what tells them from the others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from energyprof.record.model import Report

__all__ = ["Arm", "arms_of"]

_FIELDS: Final = ("algo", "arch", "schedule", "twin_of", "batch_size", "precision", "compiled")
_SPOKEN: Final = {"batch_size": "batch", "twin_of": "twin of", "compiled": "compiled by"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One learner in one configuration.

    Attributes:
        name: unique among the arms: the learner, and the settings in which arms of this learner differ.
        algo: the learner, or ``run`` where the record does not say.
        settings: all that makes the arm, as text.
        runs: positions of its runs.
    """

    name: str
    algo: str
    settings: Mapping[str, str]
    runs: tuple[int, ...]


def arms_of(reports: Sequence[Report], positions: Sequence[int] | None = None) -> tuple[Arm, ...]:
    """Sort runs into arms, in order of appearance.

    Args:
        reports: all runs.
        positions: those to sort; all where it is None. Names tell apart the arms among these.
    """
    chosen = range(len(reports)) if positions is None else positions
    found: dict[str, tuple[dict[str, str], list[int]]] = {}
    for position in chosen:
        settings = _settings(reports[position])
        found.setdefault(json.dumps(settings, sort_keys=True), (settings, []))[1].append(position)
    arms = [
        Arm(name=s.get("algo", "run"), algo=s.get("algo", "run"), settings=s, runs=tuple(runs))
        for s, runs in found.values()
    ]
    return tuple(
        Arm(name=name, algo=arm.algo, settings=arm.settings, runs=arm.runs)
        for arm, name in zip(arms, _names(arms), strict=True)
    )


def _settings(report: Report) -> dict[str, str]:
    work = report.workload
    settings = {name: _text(value) for name in _FIELDS if (value := getattr(work, name)) is not None}
    return settings | {f"config.{name}": _text(value) for name, value in sorted(work.config.items())}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def _names(arms: Sequence[Arm]) -> list[str]:
    """Name each arm by its learner and by what tells it from the other arms of that learner."""
    names = []
    for arm in arms:
        kin = [other for other in arms if other.algo == arm.algo]
        keys = dict.fromkeys(key for other in kin for key in other.settings)
        telling = [key for key in keys if len({other.settings.get(key) for other in kin}) > 1]
        parts = [_part(key, arm.settings.get(key)) for key in telling]
        names.append(", ".join([arm.algo, *parts]) if parts else arm.algo)
    return names


def _part(key: str, value: str | None) -> str:
    bare = key.removeprefix("config.")
    return f"{_SPOKEN.get(bare, bare)} {'not given' if value is None else value}"
