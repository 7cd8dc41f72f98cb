"""A comparison in words: ratios with their intervals, what each says, and the sentence that sums it up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from energyprof.analysis.comparison import ArmResult, Comparison, Group
from energyprof.analysis.statistics import Design
from energyprof.analysis.versus import Ratio, Verdict
from energyprof.analysis.yardsticks import YARDSTICKS, Statistic
from energyprof.record.model import Report
from energyprof.report.words import DASH, estimated_text, percent, plain
from energyprof.units import format_bytes, format_count, format_duration, format_energy, format_power

__all__ = [
    "RENDER",
    "Row",
    "accuracy_difference",
    "accuracy_text",
    "group_title",
    "headline",
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
_SAME_ACCURACY: Final = 0.5  # percentage points: told as "within", not as a difference
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


def headline(comparison: Comparison, group: Group) -> list[str]:
    """Sum up a group in a sentence for each arm that is held against the reference."""
    base = group.reference
    if base is None:
        return [f"{len(group.runs)} {_plural('run', len(group.runs))} of one arm: nothing to hold against."]
    return [_sentence(comparison, arm, base) for arm in group.arms if not arm.is_reference]


def ratio_text(ratio: Ratio, *, log: bool = True) -> str:
    """Render a ratio with its interval: ``0.59 (0.57 to 0.62)``; differences of accuracy in points."""
    if ratio.value is None:
        return DASH
    render = _ratio_digits if log else _points
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
        return f"equal within {percent(margin, 0)}"
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
    for name in _ACCURACIES:
        ratio = result.ratios.get(name)
        if ratio is not None and ratio.value is not None:
            return ratio.value
    return None


def _to_target(comparison: Comparison, result: ArmResult) -> str:
    if comparison.target is None:
        return ""
    runs = len(result.arm.runs)
    if not result.reached:
        return f"not reached by any of {runs}"
    known = result.to_target.value if result.to_target is not None else None
    joules = DASH if known is None else format_energy(known)
    return joules if result.reached == runs else f"{joules} in {result.reached} of {runs}"


def _sentence(comparison: Comparison, arm: ArmResult, base: ArmResult) -> str:
    if arm.ratios["energy_j"].value is None:
        return f"The energy of {arm.arm.name} or of {base.arm.name} is not known for every run."
    said = f"{_energy_clause(comparison, arm, base)}{_accuracy_clause(arm)}."
    return " ".join([said, *_reservations(comparison, arm, base)])


def _energy_clause(comparison: Comparison, arm: ArmResult, base: ArmResult) -> str:
    ratio, name, other = arm.ratios["energy_j"], arm.arm.name, base.arm.name
    value = ratio.value or 1.0
    used = f"{name} used {_change(value)} energy than {other}"
    if ratio.verdict in (Verdict.LESS, Verdict.MORE):
        low, high = sorted(abs(100 * (bound - 1)) for bound in (ratio.low or 1.0, ratio.high or 1.0))
        return f"{used} (95 % interval {low:.1f} to {high:.1f} %)"
    if ratio.verdict is Verdict.EQUAL:
        return f"{name} and {other} used the same energy within {percent(comparison.margin, 0)}"
    if ratio.verdict is Verdict.SINGLE:
        return f"{used} in the runs given"
    return f"Whether {name} uses less energy than {other} cannot be told yet"


def _reservations(comparison: Comparison, arm: ArmResult, base: ArmResult) -> Iterator[str]:
    ratio = arm.ratios["energy_j"]
    if ratio.verdict is Verdict.SINGLE:
        yield "One run on a side gives no interval: this may be chance."
    if ratio.verdict is Verdict.UNDECIDED and ratio.more_runs is not None:
        yield f"About {ratio.more_runs} runs a side would decide."
    estimated = estimated_text([comparison.reports[p] for p in (*arm.arm.runs, *base.arm.runs)])
    if estimated:
        yield estimated


def _change(ratio: float) -> str:
    size = abs(100 * (ratio - 1))
    return f"{size:.{0 if size >= 10 else 1}f} % {'less' if ratio < 1 else 'more'}"


def _accuracy_clause(arm: ArmResult) -> str:
    """Say what the energy bought: a learner that learns less is no saving."""
    difference = accuracy_difference(arm)
    if difference is None:
        return ""
    points = 100 * difference
    if abs(points) < _SAME_ACCURACY:
        return f", with accuracy within {_SAME_ACCURACY:g} points"
    way = "but reached {:.1f} points less" if points < 0 else "and reached {:.1f} points more"
    return f", {way.format(abs(points))} accuracy"


def _ratio_digits(value: float) -> str:
    return f"{value:.3f}" if 0.9 < value < 1.11 else f"{value:.2f}" if value < 10 else plain(value, 3)


def _points(value: float) -> str:
    return f"{'−' if value < 0 else '+'}{abs(100 * value):.2f} pp"


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
