"""A comparison as a LaTeX table ready for a paper: booktabs, and a caption that says the method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from energyprof.analysis.comparison import ArmResult, Comparison, Group
from energyprof.analysis.versus import Ratio
from energyprof.analysis.yardsticks import Statistic
from energyprof.report.verdicts import group_title
from energyprof.report.words import estimated_text

__all__ = ["comparison_latex", "escape_latex"]

_ESCAPES: Final[Mapping[str, str]] = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
}
_LONGEST: Final = 120
_MISSING: Final = "---"


def comparison_latex(comparison: Comparison) -> str:
    """Render a table for each group; needs the packages ``booktabs`` and, for quotes, ``textcomp``."""
    header = "% energyprof compare: needs \\usepackage{booktabs,textcomp}"
    tables = [_table(comparison, group, index) for index, group in enumerate(comparison.groups)]
    return "\n\n".join([header, *tables]) + "\n"


def escape_latex(text: str) -> str:
    """Make a text inert in LaTeX: printable ASCII and letters only, commands escaped, cut if long."""
    kept = "".join(c if c.isascii() and c.isprintable() else "?" if c.isprintable() else " " for c in text)
    short = kept if len(kept) <= _LONGEST else f"{kept[: _LONGEST - 3]}..."
    return "".join(_ESCAPES.get(c, c) for c in short)


def _table(comparison: Comparison, group: Group, index: int) -> str:
    factor, unit = _energy_unit(group)
    target = comparison.target is not None
    heads = ["Learner", "$n$", f"Energy ({unit})", "Ratio", "Time (s)", "Accuracy (\\%)"]
    heads += [f"To target ({unit})"] if target else []
    rows = [_row(arm, factor, target) for arm in group.arms]
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            f"  \\caption{{{_caption(comparison, group)}}}",
            f"  \\label{{tab:energy-{index + 1}}}",
            f"  \\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}",
            r"    \toprule",
            f"    {' & '.join(heads)} \\\\",
            r"    \midrule",
            *(f"    {' & '.join(row)} \\\\" for row in rows),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
        ]
    )


def _caption(comparison: Comparison, group: Group) -> str:
    base = group.reference
    text = f"Training energy, {escape_latex(group_title(comparison, group))}."
    text += " Geometric means with 95\\,\\% intervals"
    if base is not None:
        text += f"; ratios to {escape_latex(base.arm.name)}"
    estimated = estimated_text([comparison.reports[p] for p in group.runs])
    text += ". " + estimated.replace("%", r"\%") if estimated else "."
    if comparison.target is not None:
        text += f" Target: {escape_latex(str(comparison.target))}."
    return text


def _energy_unit(group: Group) -> tuple[float, str]:
    values = [arm.figures["energy_j"].value for arm in group.arms]
    largest = max((v for v in values if v is not None), default=1.0)
    return next(((f, u) for f, u in ((1e6, "MJ"), (1e3, "kJ"), (1.0, "J")) if largest >= f), (1e-3, "mJ"))


def _row(result: ArmResult, factor: float, target: bool) -> list[str]:
    accuracy = next(
        (s for n in ("test_accuracy", "validation_accuracy") if (s := result.figures[n]).value is not None),
        result.figures["test_accuracy"],
    )
    ratio = result.ratios.get("energy_j")
    cells = [
        escape_latex(result.arm.name),
        str(len(result.arm.runs)),
        _with_interval(result.figures["energy_j"], 1 / factor),
        "1" if result.is_reference else _ratio(ratio) if ratio else _MISSING,
        _with_interval(result.figures["duration_s"], 1.0),
        _with_interval(accuracy, 100.0),
    ]
    if target:
        runs = len(result.arm.runs)
        reached = _with_interval(result.to_target, 1 / factor) if result.to_target else _MISSING
        cells.append(reached if result.reached == runs else f"{reached} ({result.reached}/{runs})")
    return cells


def _with_interval(statistic: Statistic, factor: float) -> str:
    if statistic.value is None:
        return _MISSING
    if statistic.low is None or statistic.high is None:
        return f"{_digits(statistic.value * factor)}"
    low, high = _digits(statistic.low * factor), _digits(statistic.high * factor)
    return f"{_digits(statistic.value * factor)} [{low}, {high}]"


def _ratio(ratio: Ratio) -> str:
    if ratio.value is None:
        return _MISSING
    if ratio.low is None or ratio.high is None:
        return f"{ratio.value:.3f}"
    return f"{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]"


def _digits(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
