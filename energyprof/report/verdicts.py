"""The cells of a comparison in words: figures and ratios with their intervals, and what each says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from energyprof.analysis.comparison import ArmResult, Comparison, Group
from energyprof.analysis.statistics import Design
from energyprof.analysis.versus import Ratio, Verdict
from energyprof.analysis.yardsticks import YARDSTICKS, Statistic
from energyprof.record.model import Report
from energyprof.report.words import DASH, percent, plain
from energyprof.units import format_bytes, format_count, format_duration, format_energy, format_power

__all__ = [
    "RENDER",
    "Row",
    "accuracy_difference",
    "accuracy_ratio",
    "accuracy_text",
    "group_title",
    "margin_text",
    "ratio_digits",
    "ratio_text",
    "rows_of",
    "statistic_text",
    "verdict_text",
]

RENDER: Final[Mapping[str, Callable[[float], str]]] = {
    "J": format_energy,
    "s": format_duration,
    "W": format_power,
    "B": format_bytes,
    "%": lambda value: percent(value, 2),
    "": format_count,
}
_ACCURACIES: Final = ("test_accuracy", "validation_accuracy")
_MOST_KEYS: Final = 2  # that tell a group from the others in its title
_LONGEST_VALUE: Final = 24
_DESIGN: Final = {Design.PAIRED: "paired", Design.WELCH: "Welch", Design.ONE_SAMPLE: "one sample"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One arm as a line of a table, in text.

    Attributes:
        ratio: of energy to the reference, with its interval.
        verdict: what that says.
    """

    arm: str
    reference: bool
    n: int
    energy: str
    interval: str
    ratio: str
    verdict: str
    time: str
    power: str
    accuracy: str
    accuracy_change: str
    to_target: str


def rows_of(comparison: Comparison, group: Group) -> list[Row]:
    """Return the arms of a group as lines, reference first."""
    return [_row(comparison, arm) for arm in group.arms]


def margin_text(margin: float) -> str:
    """Render a margin as it was given: ``5 %``, ``2.5 %``; rounded up to it more would count as equal."""
    return f"{100 * margin:.6g} %"


def ratio_text(ratio: Ratio, *, log: bool = True) -> str:
    """Render a ratio with its interval: ``0.59 (0.57 to 0.62)``; differences of accuracy in points."""
    if ratio.value is None:
        return DASH
    render = ratio_digits if log else _points
    low, high = ratio.low, ratio.high
    if low is None or high is None:
        low, high = ratio.bound_low, ratio.bound_high
    if low is None or high is None:
        return render(ratio.value)
    return f"{render(ratio.value)} ({render(low)} to {render(high)})"


def verdict_text(ratio: Ratio, margin: float) -> str:
    """Say what a ratio says, and how many runs would decide where it is open."""
    if ratio.verdict is Verdict.UNDECIDED:
        more = "" if ratio.more_runs is None else f": about {ratio.more_runs} runs a side would decide"
        return f"cannot tell yet{more}"
    if ratio.verdict is Verdict.EQUAL:
        return f"equal within {margin_text(margin)}"
    if ratio.verdict is Verdict.SINGLE:
        return "one run a side: only the sensors' bounds" if ratio.bound_low is not None else "no interval"
    if ratio.verdict is Verdict.MISSING:
        return "not known"
    return (
        f"{ratio.verdict.value} ({_DESIGN[ratio.design]}, {ratio.n} against {ratio.n_reference})"
        if (ratio.design)
        else ratio.verdict.value
    )


def statistic_text(name: str, statistic: Statistic) -> tuple[str, str]:
    """Render a figure of an arm: its mean, and its interval or the reason why there is none."""
    render = RENDER[YARDSTICKS[name].unit]
    if statistic.value is None:
        return DASH, ""
    if statistic.low is None or statistic.high is None:
        return render(statistic.value), ""
    return render(statistic.value), f"{render(statistic.low)} to {render(statistic.high)}"


def group_title(comparison: Comparison, group: Group) -> str:
    """Name what the runs of a group have in common: data, device, and what sets it apart from the others."""
    report = comparison.reports[group.runs[0]]
    apart = [
        f"{difference.key.rpartition('.')[2].replace('_', ' ')} {value}"
        for difference in comparison.refusals
        for value, runs in zip(difference.values, difference.runs, strict=True)
        if group.runs[0] in runs and len(value) <= _LONGEST_VALUE
    ]
    return " · ".join([_place(report), *apart[:_MOST_KEYS]])


def _place(report: Report) -> str:
    env = report.environment
    on_gpu = bool(env.gpus) and not (env.device or "").startswith("cpu")
    device = env.gpus[0].name if on_gpu else (env.cpu or env.platform)
    return f"{report.workload.dataset or 'unnamed data'} on {device}"


def _row(comparison: Comparison, result: ArmResult) -> Row:
    energy, interval = statistic_text("energy_j", result.figures["energy_j"])
    ratio = result.ratios.get("energy_j")
    return Row(
        arm=result.arm.name,
        reference=result.is_reference,
        n=len(result.arm.runs),
        energy=energy,
        interval=interval,
        ratio="1 (reference)" if result.is_reference else ratio_text(ratio) if ratio else DASH,
        verdict="reference"
        if result.is_reference
        else verdict_text(ratio, comparison.margin)
        if ratio
        else "",
        time=statistic_text("duration_s", result.figures["duration_s"])[0],
        power=statistic_text("mean_power_w", result.figures["mean_power_w"])[0],
        accuracy=accuracy_text(result),
        accuracy_change="" if (change := accuracy_difference(result)) is None else _points(change),
        to_target=_to_target(comparison, result),
    )


def accuracy_text(result: ArmResult) -> str:
    """Render test accuracy, or validation accuracy where there is no test."""
    for name in _ACCURACIES:
        value = result.figures[name].value
        if value is not None:
            return percent(value, 2)
    return DASH


def accuracy_difference(result: ArmResult) -> float | None:
    """Return the difference of test (else validation) accuracy to the reference, or None."""
    ratio = accuracy_ratio(result)
    return None if ratio is None else ratio.value


def accuracy_ratio(result: ArmResult) -> Ratio | None:
    """Return the comparison of test (else validation) accuracy with the reference, or None."""
    found = (result.ratios.get(name) for name in _ACCURACIES)
    return next((ratio for ratio in found if ratio is not None and ratio.value is not None), None)


def _to_target(comparison: Comparison, result: ArmResult) -> str:
    if comparison.target is None:
        return ""
    runs = len(result.arm.runs)
    if not result.reached:
        return f"not reached by any of {runs}"
    known = result.to_target.value if result.to_target is not None else None
    joules = DASH if known is None else format_energy(known)
    return joules if result.reached == runs else f"{joules} in {result.reached} of {runs}"


def ratio_digits(value: float) -> str:
    """Render a ratio: with a third decimal near 1, where it matters."""
    return f"{value:.3f}" if 0.9 < value < 1.11 else f"{value:.2f}" if value < 10 else plain(value, 3)


def _points(value: float) -> str:
    text = f"{abs(100 * value):.2f} pp"
    return text if text == "0.00 pp" else f"{'−' if value < 0 else '+'}{text}"
