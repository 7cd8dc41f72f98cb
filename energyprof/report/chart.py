"""Charts as HTML and inline SVG: marks stretch with the page, words and numbers keep their size.

The drawing area is an SVG of 1000 x 1000 units stretched to its box, with strokes that do not scale; ticks
and labels are HTML placed by percentage. So one chart reads at 380 and at 1,600 pixels, in both themes and
printed. Colours are classes (``s1`` to ``s5``), never values.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from markupsafe import Markup

from energyprof.report.words import printable

__all__ = [
    "Axis",
    "Label",
    "Scale",
    "axis",
    "band",
    "dot",
    "line",
    "plot",
    "rule",
    "rule_across",
    "series_class",
    "shade",
    "x_tick",
]

_SIZE: Final = 1000.0
_HUES: Final = 5
_TINY: Final = 1e-200  # smaller values are drawn as 0
_PREFIXES: Final = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Values to fractions of an axis, linear or logarithmic."""

    low: float
    high: float
    log: bool = False

    def at(self, value: float) -> float:
        """Return where a value lies: 0 at ``low``, 1 at ``high``; kept within 1 beyond either end."""
        if self.log:
            low, high, value = math.log(self.low), math.log(self.high), math.log(max(value, self.low * 1e-9))
        else:
            low, high = self.low, self.high
        return min(2.0, max(-1.0, (value - low) / (high - low))) if high > low else 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A scale with its title and its ticks (value, text)."""

    scale: Scale
    title: str
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A word in the drawing area, at data coordinates; ``side`` is where it stands from there."""

    x: float
    y: float
    text: str
    css: str = ""
    side: str = "right"


def axis(
    values: Iterable[float],
    title: str,
    unit: str = "",
    *,
    log: bool = False,
    zero: bool = False,
    count: int = 5,
) -> Axis:
    """Choose a scale and round ticks for these values.

    Args:
        values: what must be on the axis; not finite ones are passed over.
        title: what the axis shows, without its unit.
        unit: SI unit, given a prefix that fits, or ``"%"`` for fractions, or ``""``.
        log: logarithmic; values of 0 and less are passed over.
        zero: make the axis begin at 0.
        count: about how many ticks.
    """
    finite = [v for v in values if math.isfinite(v) and (v > 0 or not log)] or [1.0 if log else 0.0]
    low, high = min(finite), max(finite)
    if log:
        return _log_axis(low, high, title, unit)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low <= 1e-9 * max(abs(low), abs(high), _TINY):
        low, high = (low - abs(low) / 10, high + abs(high) / 10) if abs(low) > _TINY else (0.0, 1.0)
    step = _round_step((high - low) / count)
    low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    positions = [low + k * step for k in range(round((high - low) / step) + 1)]
    factor, shown = _axis_unit(max(abs(low), abs(high)), unit)
    decimals = _decimals(step / factor)
    ticks = tuple((p, f"{p / factor:.{decimals}f}".replace("-", "−")) for p in positions)
    return Axis(scale=Scale(low=low, high=high), title=f"{title}, {shown}" if shown else title, ticks=ticks)


def plot(
    x: Axis,
    y: Axis,
    marks: Sequence[Markup],
    *,
    label: str,
    labels: Sequence[Label] = (),
    height: str = "wide",
    extra: str = "",
) -> Markup:
    """Put marks into a frame with axes.

    Args:
        x: horizontal axis.
        y: vertical axis.
        marks: SVG from :func:`line`, :func:`dot` and their kin.
        label: what the chart shows, in one sentence, for who cannot see it.
        labels: words placed in the drawing area.
        height: ``wide`` or ``small``.
        extra: further CSS classes of the frame.
    """
    grid = "".join(_grid_line(y.scale.at(v)) for v, _ in y.ticks)
    area = Markup(
        '<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true">{}{}</svg>'
    ).format(Markup(grid), Markup("").join(marks))
    words = Markup("").join(_label(item, x.scale, y.scale) for item in labels)
    x_ticks = Markup("").join(x_tick(x.scale.at(v), text) for v, text in x.ticks)
    y_ticks = Markup("").join(
        Markup('<span style="top:{:.2f}%">{}</span>').format(100 - 100 * y.scale.at(v), t) for v, t in y.ticks
    )
    return Markup(
        '<div class="plot {} {}" role="img" aria-label="{}"><div class="plot-title-y">{}</div>'
        '<div class="plot-y">{}</div><div class="plot-area">{}{}</div><div class="plot-x">{}</div>'
        '<div class="plot-title-x">{}</div></div>'
    ).format(
        height,
        extra,
        printable(label, 400),
        printable(y.title, 80),
        y_ticks,
        area,
        words,
        x_ticks,
        printable(x.title, 80),
    )


def line(
    x: Axis, y: Axis, xs: Sequence[float], ys: Sequence[float], css: str, *, stairs: bool = False
) -> Markup:
    """Draw a line; breaks where a value is not finite. ``stairs`` holds each value until the next."""
    runs: list[list[tuple[int, int]]] = [[]]
    for a, b in zip(xs, ys, strict=True):
        if not (math.isfinite(a) and math.isfinite(b)):
            runs.append([])
            continue
        point = _tenths(x, y, a, b)
        if stairs and runs[-1]:
            runs[-1].append((point[0], runs[-1][-1][1]))
        runs[-1].append(point)
    return Markup('<path class="line {}" d="{}"/>').format(css, "".join(_trail(run) for run in runs if run))


def band(
    x: Axis, y: Axis, xs: Sequence[float], lows: Sequence[float], highs: Sequence[float], css: str
) -> Markup:
    """Fill between two lines; breaks where a value is not finite."""
    stretches: list[list[tuple[float, float, float]]] = [[]]
    for point in zip(xs, lows, highs, strict=True):
        if all(math.isfinite(value) for value in point):
            stretches[-1].append(point)
        elif stretches[-1]:
            stretches.append([])
    data = ""
    for stretch in filter(None, stretches):
        there = [_tenths(x, y, a, high) for a, _, high in stretch]
        back = [_tenths(x, y, a, low) for a, low, _ in reversed(stretch)]
        data += _trail(there + back) + "Z"
    return Markup('<path class="band {}" d="{}"/>').format(css, data)


def shade(x: Axis, start: float, end: float, title: str = "") -> Markup:
    """Shade a stretch of the horizontal axis, with a tooltip."""
    tip = Markup("<title>{}</title>").format(printable(title)) if title else ""
    return Markup('<path class="silent" d="M{} 0H{}V1000H{}Z">{}</path>').format(
        _x(x, start), _x(x, end), _x(x, start), tip
    )


def dot(x: Axis, y: Axis, a: float, b: float, css: str, title: str = "") -> Markup:
    """Draw a dot that stays round however the chart is stretched, with a tooltip."""
    tip = Markup("<title>{}</title>").format(printable(title)) if title else ""
    return Markup('<path class="dot {}" d="M{} {}h.01">{}</path>').format(css, _x(x, a), _y(y, b), tip)


def bars(x: Axis, y: Axis, edges: Sequence[float], heights: Sequence[float], css: str) -> Markup:
    """Draw bars from the bottom: ``heights[k]`` between ``edges[k]`` and ``edges[k + 1]``."""
    base = _y(y, max(y.scale.low, 0.0))
    parts = [
        f"M{_x(x, edges[k])} {base}V{_y(y, height)}H{_x(x, edges[k + 1])}V{base}Z"
        for k, height in enumerate(heights)
        if height > 0
    ]
    return Markup('<path class="bars {}" d="{}"/>').format(css, "".join(parts))


def rule(x: Axis, value: float, css: str = "") -> Markup:
    """Draw a vertical line at a value of the horizontal axis."""
    return Markup('<path class="rule {}" d="M{} 0V1000"/>').format(css, _x(x, value))


def rule_across(y: Axis, value: float, css: str = "") -> Markup:
    """Draw a horizontal line at a value of the vertical axis."""
    return Markup('<path class="rule {}" d="M0 {}H1000"/>').format(css, _y(y, value))


def series_class(index: int) -> str:
    """Return the classes of series ``index``: five hues, then the same hues dashed, then dotted."""
    return f"s{index % _HUES + 1} k{min(index // _HUES, 2)}"


def _x(x: Axis, value: float) -> str:
    return f"{_SIZE * x.scale.at(value):.1f}".removesuffix(".0")


def _y(y: Axis, value: float) -> str:
    return f"{_SIZE * (1 - y.scale.at(value)):.1f}".removesuffix(".0")


def _tenths(x: Axis, y: Axis, a: float, b: float) -> tuple[int, int]:
    return round(10 * _SIZE * x.scale.at(a)), round(10 * _SIZE * (1 - y.scale.at(b)))


def _trail(points: Sequence[tuple[int, int]]) -> str:
    """Return path data through points in tenths of a unit: a start, then steps, which are shorter."""
    start = f"M{points[0][0] / 10:g} {points[0][1] / 10:g}"
    moves = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(points)]
    texts = [f"{dx / 10:g}{'' if dy < 0 else ' '}{dy / 10:g}" for dx, dy in moves]
    return f"{start}l{' '.join(texts)}" if texts else start


def _grid_line(fraction: float) -> str:
    return f'<path class="grid" d="M0 {_SIZE * (1 - fraction):.1f}H1000"/>'


def x_tick(fraction: float, text: str) -> Markup:
    """Place a tick; one at either end keeps within the chart."""
    css = "last" if fraction > 0.96 else "first" if fraction < 0.04 and len(text) > 3 else ""
    return Markup('<span class="{}" style="left:{:.2f}%">{}</span>').format(
        css, 100 * fraction, printable(text, 40)
    )


def _label(label: Label, x: Scale, y: Scale) -> Markup:
    style = f"left:{100 * x.at(label.x):.2f}%;top:{100 - 100 * y.at(label.y):.2f}%"
    return Markup('<span class="mark {} {}" style="{}">{}</span>').format(
        label.side, label.css, style, printable(label.text, 60)
    )


def _decimals(step: float) -> int:
    """Return the decimals with which multiples of a step are told exactly: 0.5 has one, so has 2.5."""
    power = math.floor(math.log10(step) + 1e-9)
    finer = not math.isclose(step / 10.0**power, round(step / 10.0**power), rel_tol=1e-6)
    return max(0, -power + (1 if finer else 0))


def _round_step(raw: float) -> float:
    size = 10.0 ** math.floor(math.log10(raw))
    return next(size * m for m in (1, 2, 2.5, 5, 10) if raw <= size * m * (1 + 1e-9))


def _axis_unit(largest: float, unit: str) -> tuple[float, str]:
    if unit == "%":
        return 0.01, "%"
    if unit == "s" and largest >= 180:
        return (60.0, "min") if largest < 7200 else (3600.0, "h") if largest < 172_800 else (86400.0, "days")
    if not unit:
        return 1.0, ""
    factor, prefix = next((p for p in _PREFIXES if largest >= p[0]), (1.0, ""))
    return factor, prefix + unit


def _log_axis(low: float, high: float, title: str, unit: str) -> Axis:
    if high / low < 1 + 1e-9:
        low, high = low / 2, high * 2
    spread = (high / low) ** 0.06
    low, high = low / spread, high * spread
    mantissas = (1.0, 2.0, 5.0) if high / low < 200 else (1.0,)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = max(1, (last - first) // 6)
    positions = [m * 10.0**e for e in range(first, last + 1, every) for m in mantissas]
    inside = [p for p in positions if low <= p <= high]
    if len(inside) < 3:  # under a decade and a half: round steps read better than powers
        step = _round_step((high - low) / 4)
        inside = [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1) if k > 0]
    factor, shown = _axis_unit(math.sqrt(low * high), unit)
    ticks = tuple((p, f"{p / factor:g}") for p in inside)
    return Axis(
        scale=Scale(low=low, high=high, log=True), title=f"{title}, {shown}" if shown else title, ticks=ticks
    )
