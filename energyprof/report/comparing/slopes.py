"""Seed by seed: a line from the reference's run to the arm's run with the same seed."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from energyprof.analysis.comparison import ArmResult
from energyprof.analysis.pairing import paired_runs, same_seeds
from energyprof.report.chart import Axis, Scale, axis, dot, line, plot
from energyprof.report.comparing.view import GroupView
from energyprof.report.page import fragment
from energyprof.report.section import Section

__all__ = ["section"]

_MOST_ARMS: Final = 6


def section(view: GroupView) -> Section | None:
    """Build the section; None where no two runs of an arm share seeds with the reference."""
    if view.base is None:
        return None
    drawn = [d for arm in view.others[:_MOST_ARMS] if (d := _drawn(view, view.base, arm)) is not None]
    if not drawn:
        return None
    return Section(
        key=f"{view.key}seeds",
        short="Seeds",
        title="Seed by seed",
        about="Each line joins two runs with the same seed. Lines that all fall the same way say more "
        "than a mean.",
        body=fragment("compare_slopes.html", drawn=drawn, left_out=max(0, len(view.others) - _MOST_ARMS)),
    )


def _drawn(view: GroupView, base: ArmResult, arm: ArmResult) -> dict[str, object] | None:
    ours, theirs = view.runs(base), view.runs(arm)
    pairs = [(ours[i], theirs[j]) for i, j in same_seeds(ours, theirs)]
    known = [
        (a.run.seed, x, y)
        for a, b in pairs
        if (x := a.totals.energy_j.value) is not None and (y := b.totals.energy_j.value) is not None
    ]
    if len(known) < 2:
        return None
    fell = sum(y < x for _, x, y in known)
    return {
        "title": f"{base.arm.name} to {arm.arm.name}",
        "chart": _chart(view, base, arm, known),
        "said": f"{arm.arm.name} used less energy under {fell} of {len(known)} seeds.",
        "interleaved": paired_runs(ours, theirs) is not None,
    }


def _chart(
    view: GroupView, base: ArmResult, arm: ArmResult, known: list[tuple[int | None, float, float]]
) -> Markup:
    x = Axis(scale=Scale(low=-0.15, high=1.15), title="", ticks=((0.0, base.arm.name), (1.0, arm.arm.name)))
    y = axis([v for _, a, b in known for v in (a, b)], "energy", "J")
    marks = [line(x, y, [0.0, 1.0], [a, b], f"{view.style(arm)} thin") for _, a, b in known]
    for seed, a, b in known:
        marks += [
            dot(x, y, 0.0, a, view.style(base), f"seed {seed}"),
            dot(x, y, 1.0, b, view.style(arm), f"seed {seed}"),
        ]
    said = f"Energy of {len(known)} seeds with {base.arm.name} and with {arm.arm.name}."
    return plot(x, y, marks, label=said, height="wide", extra="slope")
