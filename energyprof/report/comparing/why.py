"""Why an arm took less or more than the reference: the exact split of the ratio, drawn and in words."""

from __future__ import annotations

from typing import Final

from energyprof.analysis.comparison import ArmResult
from energyprof.analysis.explanation import Explanation, explain, profile_of
from energyprof.errors import UsageError
from energyprof.report.comparing.view import GroupView
from energyprof.report.page import fragment
from energyprof.report.section import Section
from energyprof.report.term_text import term_figure

__all__ = ["section"]

_MOST_ARMS: Final = 8


def section(view: GroupView) -> Section | None:
    """Build the section; None where no arm's energy can be explained."""
    if view.base is None:
        return None
    shown = [e for arm in view.others[:_MOST_ARMS] if (e := _explained(view, view.base, arm)) is not None]
    if not shown:
        return None
    reach = max(abs(t.points) for e in shown for t in (*e.factors, *e.phases, *e.idle)) or 1.0
    return Section(
        key=f"{view.key}why",
        short="Why",
        title=f"Why they differ from {view.base.arm.name}",
        about="The logarithm of the energy ratio, split exactly: energy is passes over the data, times time "
        "a pass, times mean power. Points are shares of the change in per cent and add up to it; geometric "
        "means over runs.",
        body=fragment(
            "compare_why.html",
            explanations=shown,
            reach=reach,
            figure=term_figure,
            left_out=max(0, len(view.others) - _MOST_ARMS),
        ),
    )


def _explained(view: GroupView, base: ArmResult, arm: ArmResult) -> Explanation | None:
    try:
        return explain(profile_of(view.runs(arm), arm.arm.name), profile_of(view.runs(base), base.arm.name))
    except UsageError:  # the energy of a run is not known: the verdict table says so
        return None
