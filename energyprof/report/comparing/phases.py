"""Energy by kind of phase, a small panel for each arm on one scale: where one is cheaper than another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from energyprof.analysis.comparison import ArmResult
from energyprof.analysis.phases import likeliest_energies, phase_kind
from energyprof.report.comparing.view import GroupView
from energyprof.report.page import fragment
from energyprof.report.section import Section

__all__ = ["section"]

_MOST_ARMS: Final = 12
_MOST_KINDS: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    arm: str
    fill: str
    bars: list[tuple[str, float, float]]  # kind, joules, part of the longest bar


def section(view: GroupView) -> Section | None:
    """Build the section; None where no run's phases have known energy."""
    arms = view.group.arms[:_MOST_ARMS]
    means = {arm.arm.name: _means(view, arm) for arm in arms}
    found_kinds = _kinds(means)
    kinds = found_kinds[:_MOST_KINDS]
    if not kinds:
        return None
    longest = max(found.get(kind, 0.0) for found in means.values() for kind in kinds) or 1.0
    panels = [
        _Panel(
            arm=arm.arm.name,
            fill=view.fill(arm),
            bars=[(kind, found.get(kind, 0.0), found.get(kind, 0.0) / longest) for kind in kinds],
        )
        for arm in arms
        for found in (means[arm.arm.name],)
    ]
    return Section(
        key=f"{view.key}phases",
        short="Phases",
        title="Energy by phase",
        about="Mean of each arm's runs. All panels share one scale, so bars can be compared across them.",
        body=fragment(
            "compare_phases.html",
            panels=panels,
            left_out=len(view.group.arms) - len(arms),
            lesser=found_kinds[_MOST_KINDS:],
        ),
    )


def _means(view: GroupView, arm: ArmResult) -> dict[str, float]:
    runs = view.runs(arm)
    found: dict[str, float] = {}
    for report in runs:
        for name, energy in likeliest_energies(report).items():
            kind = phase_kind(name)
            found[kind] = found.get(kind, 0.0) + (energy.value or 0.0) / len(runs)
    return found


def _kinds(means: dict[str, dict[str, float]]) -> list[str]:
    kinds = dict.fromkeys(kind for found in means.values() for kind in found)
    largest = {kind: max(found.get(kind, 0.0) for found in means.values()) for kind in kinds}
    return sorted((k for k in kinds if largest[k] > 0), key=lambda k: -largest[k])
