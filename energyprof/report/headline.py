"""What a comparison says, in sentences: what may be compared, and one for each arm against the reference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from energyprof.analysis.comparison import ArmResult, Comparison, Group
from energyprof.analysis.repeated_seeds import repeated_seeds_text
from energyprof.analysis.versus import Ratio, Verdict
from energyprof.report.verdicts import accuracy_ratio, margin_text, ratio_digits
from energyprof.report.words import estimated_text

__all__ = ["comparability_text", "headline"]

_SAME_ENERGY: Final = 0.1  # per cent: of single runs, told as "the same"
_SAME_ACCURACY: Final = 0.5  # percentage points: told as "within", not as a difference


def comparability_text(count: int) -> str:
    """Say that all runs may be compared, or that there is one only."""
    return (
        "One run alone: there is nothing to compare." if count == 1 else f"All {count} runs may be compared."
    )


def headline(comparison: Comparison, group: Group) -> list[str]:
    """Sum up a group: a sentence for each arm held against the reference, one for each that repeats seeds."""
    base = group.reference
    shared = [said for arm in group.arms if (said := _shared_seeds(comparison, arm))]
    if base is None:
        return [_alone(comparison, len(group.runs)), *shared]
    return [*(_sentence(comparison, arm, base) for arm in group.arms if not arm.is_reference), *shared]


def _alone(comparison: Comparison, count: int) -> str:
    if count > 1:
        return f"These {count} runs are of one arm: there is nothing to hold them against."
    rest = "" if len(comparison.groups) > 1 else ": name another one to hold it against"
    return f"This is one run of one arm{rest}."


def _shared_seeds(comparison: Comparison, arm: ArmResult) -> str | None:
    seeds = [comparison.reports[position].run.seed for position in arm.arm.runs]
    said = repeated_seeds_text(f"runs of {arm.arm.name}", seeds)
    return None if said is None else f"{said[0].upper()}{said[1:]}."


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
        return f"{used} (95 % interval {_end(low)} to {_end(high)} %)"
    if ratio.verdict is Verdict.EQUAL:
        return f"{name} and {other} used the same energy within {margin_text(comparison.margin)}"
    if ratio.verdict is Verdict.SINGLE:
        return _single_clause(ratio, name, other)
    return f"Whether {name} uses less energy than {other} cannot be told yet"


def _single_clause(ratio: Ratio, name: str, other: str) -> str:
    """Say what one run on a side shows; nothing of which is less where the sensors' bounds allow both."""
    if _bounds_allow_both(ratio):
        bounds = f"{ratio_digits(ratio.bound_low or 0.0)} to {ratio_digits(ratio.bound_high or 0.0)}"
        return (
            f"Whether {name} used less energy than {other} cannot be told: the sensors' bounds are {bounds}"
        )
    if abs(100 * ((ratio.value or 1.0) - 1)) < _SAME_ENERGY:
        return f"{name} and {other} used the same energy within {_SAME_ENERGY:g} % in the runs given"
    return f"{name} used {_change(ratio.value or 1.0)} energy than {other} in the runs given"


def _bounds_allow_both(ratio: Ratio) -> bool:
    low, high = ratio.bound_low, ratio.bound_high
    return low is not None and high is not None and low <= 1 <= high


def _reservations(comparison: Comparison, arm: ArmResult, base: ArmResult) -> Iterator[str]:
    ratio = arm.ratios["energy_j"]
    if ratio.verdict is Verdict.SINGLE:
        chance = "" if _bounds_allow_both(ratio) else ": this may be chance"
        yield f"One run on a side gives no interval{chance}."
    if ratio.verdict is Verdict.UNDECIDED and ratio.more_runs is not None:
        yield f"About {ratio.more_runs} runs a side would decide."
    estimated = estimated_text([comparison.reports[p] for p in (*arm.arm.runs, *base.arm.runs)])
    if estimated:
        yield estimated


def _change(ratio: float) -> str:
    size = abs(100 * (ratio - 1))
    return f"{size:.{0 if size >= 10 else 1}f} % {'less' if ratio < 1 else 'more'}"


def _end(size: float) -> str:
    return f"{size:.{0 if size >= 100 else 1}f}"


def _accuracy_clause(arm: ArmResult) -> str:
    """Say what the energy bought: a learner that learns less is no saving."""
    ratio = accuracy_ratio(arm)
    if ratio is None or ratio.value is None:
        return ""
    points, mean = 100 * ratio.value, "" if ratio.verdict is Verdict.SINGLE else "mean "
    if abs(points) < _SAME_ACCURACY:
        return f"; the {mean}accuracies are within {_SAME_ACCURACY:g} points"
    way = "lower" if points < 0 else "higher"
    chance = ", which may be chance" if ratio.verdict is Verdict.UNDECIDED else ""
    return f"; the {mean}accuracy of {arm.arm.name} is {abs(points):.1f} points {way}{chance}"
