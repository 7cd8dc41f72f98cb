"""Promoted runs: what a team once accepted, committed beside its code. Never simply the previous run.

A baseline holds a number a metric and run, what must be equal, the noise that its sittings showed, the
commit and the reason. It is made by a person's ``energyprof baseline promote`` only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from energyprof.analysis.reaching import Target
from energyprof.analysis.statistics import Noise, between_noise
from energyprof.gate.observation import Observation
from energyprof.gate.sides import sittings

__all__ = ["Baseline", "baseline_path", "noise_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Promoted runs.

    Attributes:
        budget: the budget they were promoted for.
        promoted_at: ISO 8601 in UTC.
        git_sha: the commit that they ran, with ``-dirty`` where it had changes; None where it is not known.
        reason: why, in the words of who promoted them.
        target: what counted as learned, where the budget has a target.
        noise: metric -> how much it moved within and between sittings.
        place: the file and line that name its budget, where it was read from a file.
    """

    budget: str
    promoted_at: str
    reason: str
    runs: tuple[Observation, ...]
    git_sha: str | None = None
    target: Target | None = None
    noise: Mapping[str, Noise] = field(default_factory=dict)
    place: str | None = None


def baseline_path(template: str, budget: str, labels: Mapping[str, Any]) -> str:
    """Fill the placeholders of a baseline's path: ``baselines/{budget}/{device}.json``.

    Labels become safe parts of a path: what is no letter, digit, dot or hyphen becomes a hyphen.
    """
    filled = template.replace("{budget}", _part(budget))
    for name, value in labels.items():
        filled = filled.replace("{" + name + "}", _part("none" if value is None else str(value)))
    return filled


def _part(text: str) -> str:
    plain = "".join(char if char.isascii() and (char.isalnum() or char in ".-") else "-" for char in text)
    return "-".join(filter(None, (word.strip(".") for word in plain.split("-")))).lower() or "none"


def noise_of(runs: Sequence[Observation]) -> dict[str, Noise]:
    """Return how much each metric moved within and between the sittings of some runs."""
    groups = sittings(runs)
    names = dict.fromkeys(name for run in runs for name in run.readings)
    found = {}
    for name in names:
        values = [[v for run in group if (v := run.value(name)) is not None] for group in groups]
        values = [group for group in values if group]
        if all(value > 0 and math.isfinite(value) for group in values for value in group):
            noise = between_noise(values)
            if noise.within or noise.between is not None:
                found[name] = noise
    return found
