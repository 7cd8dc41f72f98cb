"""The forest plot: the ratio of each arm to the reference, its interval, the margin, and a dot a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from energyprof.analysis.comparison import ArmResult
from energyprof.analysis.pairing import same_seeds
from energyprof.analysis.statistics import Design
from energyprof.analysis.versus import Ratio
from energyprof.analysis.yardsticks import YARDSTICKS
from energyprof.report.chart import Axis, axis, x_tick
from energyprof.report.comparing.view import GroupView
from energyprof.report.page import fragment
from energyprof.report.section import Section
from energyprof.report.verdicts import margin_text, ratio_text, verdict_text

__all__ = ["section"]

_SHOWN = ("energy_j", "above_idle_energy_j", "duration_s", "mean_power_w", "energy_per_sample_j")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    arm: str
    strip: Markup
    ratio: str
    verdict: str


def section(view: GroupView) -> Section | None:
    """Build the section; None without a reference to hold others against."""
    if view.base is None:
        return None
    shown = [name for name in _SHOWN if any(_known(arm, name) for arm in view.others)]
    blocks = {YARDSTICKS[name].title: _block(view, name) for name in shown}
    if not blocks:
        return None
    body = fragment("compare_forest.html", blocks=blocks, base=view.base.arm.name)
    return Section(
        key=f"{view.key}ratios",
        short="Ratios",
        title=f"Ratios to {view.base.arm.name}",
        about="The bar is the 95 % interval, the upright mark the ratio of geometric means, a dot one run "
        "(against its pair where runs were interleaved, else against the reference's mean). "
        f"Inside the shaded band ({margin_text(view.comparison.margin)} either way) counts as equal. One run "
        "a side has no interval: its thin bar is what the sensors guarantee, and says nothing about chance.",
        body=body,
    )


def _known(arm: ArmResult, name: str) -> bool:
    return arm.ratios[name].value is not None


def _block(view: GroupView, name: str) -> Mapping[str, object]:
    dots = {arm.arm.name: _dots(view, arm, name) for arm in view.others}
    margin = view.comparison.margin
    reach = [1 / (1 + margin), 1.0, 1 + margin]
    for arm in view.others:
        ratio = arm.ratios[name]
        ends = (ratio.value, ratio.low, ratio.high, ratio.bound_low, ratio.bound_high)
        reach += [v for v in (*ends, *dots[arm.arm.name]) if v is not None and 0 < v < math.inf]
    x = axis(reach, "", log=True)
    lines = [
        _Line(
            arm=arm.arm.name,
            strip=_strip(x, arm.ratios[name], dots[arm.arm.name], margin, view.style(arm)),
            ratio=ratio_text(arm.ratios[name]),
            verdict=verdict_text(arm.ratios[name], margin),
        )
        for arm in view.others
    ]
    return {"lines": lines, "axis": _ticks(x)}


def _dots(view: GroupView, arm: ArmResult, name: str) -> list[float]:
    """Return a ratio for each run: to the run that it is paired with, else to the reference's mean."""
    if view.base is None or not view.base.figures[name].value:
        return []
    ours, theirs = arm.figures[name].values, view.base.figures[name].values
    if arm.ratios[name].design is Design.PAIRED:
        pairs = [(theirs[i], ours[j]) for i, j in same_seeds(view.runs(view.base), view.runs(arm))]
    else:
        pairs = [(view.base.figures[name].value, value) for value in ours]
    return [b / a for a, b in pairs if a is not None and b is not None and a > 0 and b > 0]


def _strip(x: Axis, ratio: Ratio, dots: list[float], margin: float, style: str) -> Markup:
    at = {v: 1000 * x.scale.at(v) for v in (1 / (1 + margin), 1 + margin, 1.0)}
    left, right, one = at.values()
    parts = [
        Markup('<path class="equal" d="M{:.1f} 0H{:.1f}V1000H{:.1f}Z"/>').format(left, right, left),
        Markup('<path class="rule" d="M{:.1f} 0V1000"/>').format(one),
    ]
    parts += [
        Markup('<path class="dot {}" d="M{:.1f} {}h.01"/>').format(style, 1000 * x.scale.at(v), 780)
        for v in dots
    ]
    low, high, css = ratio.low, ratio.high, "bar"
    if low is None:
        low, high, css = ratio.bound_low, ratio.bound_high, "bar thin"
    if low is not None and high is not None:
        low, high = 1000 * x.scale.at(low), 1000 * x.scale.at(high)
        parts.append(Markup('<path class="{} {}" d="M{:.1f} 380H{:.1f}"/>').format(css, style, low, high))
    if ratio.value is not None:
        parts.append(
            Markup('<path class="estimate" d="M{:.1f} 150V610"/>').format(1000 * x.scale.at(ratio.value))
        )
    return Markup(
        '<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
    ).format(Markup("").join(parts))


def _ticks(x: Axis) -> Markup:
    return Markup("").join(x_tick(x.scale.at(v), text) for v, text in x.ticks)
