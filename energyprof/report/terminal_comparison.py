"""A comparison, an explanation and another stopping rule, in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group as Together
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from energyprof.analysis.comparison import Comparison, Group
from energyprof.analysis.explanation import Explanation, Term
from energyprof.analysis.restopping import Restopped
from energyprof.report.headline import comparability_text, headline
from energyprof.report.term_text import term_figure
from energyprof.report.verdicts import Row, group_title, rows_of
from energyprof.report.words import DASH, percent, plain, printable
from energyprof.units import format_duration, format_energy

__all__ = ["comparison_summary", "explanation_summary", "restop_summary"]


def comparison_summary(comparison: Comparison) -> RenderableType:
    """Render a comparison: comparability first, then a table a group, then what it says."""
    parts: list[RenderableType] = [_comparability(comparison)]
    for group in comparison.groups:
        parts += [Text(), *_group(comparison, group)]
    return Together(*parts)


def explanation_summary(explanation: Explanation) -> RenderableType:
    """Render why one side took less energy: in words, then each split as a table."""
    parts: list[RenderableType] = [Text(printable(s, 1000)) for s in explanation.words]
    splits = {
        "Split into": explanation.factors,
        "By phase": explanation.phases,
        "Idle and above": explanation.idle,
    }
    for title, terms in splits.items():
        if terms:
            parts += [Text(), _terms(title, terms, explanation)]
    method = "ln ratios add up exactly; points are their shares of the change in per cent."
    return Together(*parts, Text(), Text(method, style="dim"))


def restop_summary(results: Sequence[Restopped]) -> RenderableType:
    """Render runs under another stopping rule beside what they were."""
    rule = results[0].rule
    watched = list(dict.fromkeys(result.metric.replace("_", " ") for result in results))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("Run", overflow="fold")
    if len(watched) > 1:
        table.add_column("Watched")
    for title in ("Epochs", "Energy", "was", "Time", "was", "Val. accuracy", "was"):
        table.add_column(title, justify="right", no_wrap=True)
    for result in results:
        ran = sum(stage.ran for stage in result.stages)
        table.add_row(
            Text(printable(result.name)),
            *([Text(printable(result.metric.replace("_", " ")))] if len(watched) > 1 else ()),
            f"{result.epochs} of {ran}",
            DASH if result.energy_j is None else format_energy(result.energy_j),
            DASH if result.original_energy_j is None else format_energy(result.original_energy_j),
            format_duration(result.duration_s),
            format_duration(result.original_duration_s),
            percent(result.restored_validation_accuracy, 2),
            percent(result.original_validation_accuracy, 2),
        )
    epochs = "1 epoch" if rule.patience == 1 else f"{rule.patience} epochs"
    what = printable(watched[0]) if len(watched) == 1 else "what each run watched"
    heading = Text(f"Stopping after {epochs} without {what} better by more than {plain(rule.min_delta)}:")
    notes = dict.fromkeys(note for result in results for note in result.notes)
    return Together(heading, Text(), table, Text(), *(Text(f"· {note}", style="dim") for note in notes))


def _comparability(comparison: Comparison) -> RenderableType:
    lines: list[RenderableType] = []
    count = len(comparison.reports)
    if len(comparison.groups) == 1:
        sign = ("✓ ", "green") if count > 1 else ("· ", "dim")
        lines.append(Text.assemble(sign, comparability_text(count)))
    else:
        lines.append(
            Text.assemble(
                ("! ", "yellow"),
                f"These {count} runs fall into {len(comparison.groups)} groups that must not be ranked "
                "together. They differ in:",
            )
        )
        lines += [Text(f"    {printable(str(difference))}") for difference in comparison.refusals]
    for run in comparison.duplicates:
        lines.append(Text(f"  run {printable(run)} was given more than once and counts once", style="dim"))
    return Together(*lines)


def _group(comparison: Comparison, group: Group) -> list[RenderableType]:
    rows = rows_of(comparison, group)
    several = len(comparison.groups) > 1
    title = group_title(comparison, group)
    parts: list[RenderableType] = [Text(printable(title), style="bold")] if several else []
    parts.append(_table(comparison, rows))
    parts += [Text(), *(Text(printable(s, 1000)) for s in headline(comparison, group))]
    parts += [
        Text(f"· runs differ in {printable(str(warning))}", style="dim") for warning in group.warnings[:6]
    ]
    return parts


def _table(comparison: Comparison, rows: Sequence[Row]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("Learner", overflow="fold", max_width=34)
    for title in ("n", "Energy", "95 % interval", "Ratio", "Time", "Power", "Accuracy"):
        table.add_column(title, justify="right", no_wrap=title != "Ratio")
    if comparison.target is not None:
        table.add_column("To target", justify="right")
    for row in rows:
        cells = [row.arm, str(row.n), row.energy, row.interval or DASH, row.ratio, row.time, row.power]
        cells.append(row.accuracy)
        if comparison.target is not None:
            cells.append(row.to_target)
        table.add_row(*(Text(printable(cell)) for cell in cells), style="bold" if row.reference else "")
    return table


def _terms(title: str, terms: Sequence[Term], explanation: Explanation) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column(title)
    for name in (explanation.a.name, explanation.b.name, "ln ratio", "Points"):
        table.add_column(Text(printable(name, 24)), justify="right", no_wrap=True)
    for term in terms:
        table.add_row(
            Text(printable(term.name)),
            term_figure(term.value_a, term.unit, explanation.a.energy_j),
            term_figure(term.value_b, term.unit, explanation.b.energy_j),
            f"{term.log:+.4f}",
            f"{term.points:+.1f}",
        )
    log, points = sum(term.log for term in terms), sum(term.points for term in terms)
    table.add_row("together", "", "", f"{log:+.4f}", f"{points:+.1f}")
    return table
