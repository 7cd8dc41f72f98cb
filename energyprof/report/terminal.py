"""The summary of a run in a terminal: one screen at 100 columns, readable without colour and when piped."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from energyprof.analysis.domains import energy_curves
from energyprof.record.model import Flag, Provenance, Quantity, Report, RunStatus, Severity
from energyprof.record.trace import Trace
from energyprof.report.carbon_lines import carbon_shares, intensity_text
from energyprof.report.flags import gathered
from energyprof.report.ledger_lines import LedgerLine, ledger_lines
from energyprof.report.memory_line import leading_peak
from energyprof.report.progress import EnergyKnots, energy_knots
from energyprof.report.words import (
    DASH,
    PROVENANCE_GLYPH,
    STATUS_MEANING,
    counted,
    domain_word,
    kwh_text,
    percent,
    printable,
    quantity_text,
    range_text,
    reason_for,
)
from energyprof.units import (
    format_bytes,
    format_duration,
    format_mass,
    format_power,
)

__all__ = ["FLAG_WORD", "flag_lines", "ledger_table", "run_summary", "source_text", "sparkline"]

_BARS: Final = " ▁▂▃▄▅▆▇█"
_MOST_LINES: Final = 12
_MOST_DOMAINS: Final = 3
_SOURCE_STYLE: Final = {
    Provenance.COUNTER: "green",
    Provenance.SAMPLED: "cyan",
    Provenance.ESTIMATED: "yellow",
    Provenance.MISSING: "red",
}
_STATUS_STYLE: Final = {
    RunStatus.COMPLETED: "green",
    RunStatus.INTERRUPTED: "yellow",
    RunStatus.FAILED: "bold red",
    RunStatus.PARTIAL: "yellow",
}
FLAG_WORD: Final = {
    Severity.ERROR: ("✗ Do not rely on this: ", "bold red"),
    Severity.WARNING: ("! Warning: ", "yellow"),
    Severity.INFO: ("· Note: ", "cyan"),
}


def run_summary(report: Report, trace: Trace | None = None) -> RenderableType:
    """Render a run for a terminal.

    Args:
        report: the run's report.
        trace: its trace, for the sparkline of power; left out where it is None.
    """
    parts: list[RenderableType] = [_title(report), Text(), _figures(report)]
    knots = energy_knots(trace, energy_curves(trace, report.sensors)) if trace is not None else None
    if knots is not None:
        parts += [Text(), _power_line(knots)]
    if report.phases:
        parts += [Text(), ledger_table(report)]
    if report.run.status is not RunStatus.COMPLETED:
        parts += [Text(), _status_line(report)]
    flags = list(flag_lines(report.flags))
    if flags:
        parts += [Text(), *flags]
    return Group(*parts)


def source_text(source: Provenance) -> Text:
    """Render a provenance as sign and word."""
    return Text(f"{PROVENANCE_GLYPH[source]} {source.value}", style=_SOURCE_STYLE[source])


def sparkline(values: Iterable[float]) -> str:
    """Render values as bars from 0 to their greatest; a space where a value is not finite."""
    listed = list(values)
    top = max((v for v in listed if np.isfinite(v)), default=0.0)
    if top <= 0:
        return _BARS[1] * len(listed)
    return "".join(_BARS[max(1, min(8, round(8 * v / top)))] if np.isfinite(v) else _BARS[0] for v in listed)


def ledger_table(report: Report) -> Table:
    """Render energy by phase, at most twelve lines; what is left out is counted."""
    domains = tuple(report.totals.energy_by_domain_j)
    shown_domains = domains if 1 < len(domains) <= _MOST_DOMAINS else ()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("Where it went", no_wrap=True, overflow="ellipsis", max_width=30)
    table.add_column("", no_wrap=True)
    for title in ("Share", "Energy", *(printable(domain_word(d)) for d in shown_domains), "Time", "Power"):
        table.add_column(Text(title), justify="right", no_wrap=True)
    lines = ledger_lines(report)
    shown = lines if len(lines) <= _MOST_LINES else _dearest(lines)
    for line in shown:
        table.add_row(*map(Text, _ledger_row(line, len(shown_domains))), style=_line_style(line))
    if len(shown) < len(lines):
        table.add_row(f"  … {len(lines) - len(shown)} more in the report")
    totals = report.totals
    by_domain = [quantity_text(totals.energy_by_domain_j[d]) for d in shown_domains]
    mean = DASH if totals.mean_power_w is None else format_power(totals.mean_power_w)
    table.add_row(
        "Total", "", "", quantity_text(totals.energy_j), *by_domain, format_duration(totals.duration_s), mean,
        style="bold",
    )  # fmt: skip
    return table


def flag_lines(flags: Iterable[Flag]) -> Iterable[RenderableType]:
    """Render flags, gravest first; notes on single missing values are left to the page."""
    for item in gathered(flags):
        flag = item.flag
        if flag.severity is Severity.INFO and flag.field is not None:
            continue
        word, style = FLAG_WORD[flag.severity]
        more = f" (and {len(item.others)} more of this kind)" if item.others else ""
        yield Text.assemble((word, style), printable(flag.message, 1000), (more, "dim"))
        if flag.advice:
            yield Padding(Text(printable(flag.advice, 1000), style="dim"), (0, 0, 0, 2))


def _title(report: Report) -> Text:
    status = report.run.status
    where = report.environment.gpus[0].name if report.environment.gpus else report.environment.cpu
    parts: list[str | tuple[str, str]] = [
        (printable(report.run.name, 70), "bold"),
        "  ",
        (status.value, _STATUS_STYLE[status]),
    ]
    if where:
        parts += ["  on ", printable(where, 50)]
    if len(report.environment.gpus) > 1:
        parts.append(f" and {len(report.environment.gpus) - 1} more")
    return Text.assemble(*parts)


def _status_line(report: Report) -> Text:
    status = report.run.status
    why = f" {printable(report.run.error, 400)}" if report.run.error else ""
    word = (f"{status.value.capitalize()}: ", _STATUS_STYLE[status])
    return Text.assemble(word, f"this run {STATUS_MEANING[status]}.{why}")


def _figures(report: Report) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(justify="right", style="bold", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(style="dim")
    totals, quality = report.totals, report.quality
    table.add_row(*_quantity_row("Energy", totals.energy_j, _energy_note(report)))
    if totals.energy_per_sample_j.value is not None:
        note = f"over {counted(totals.samples or 0, 'sample')}"
        table.add_row(*_quantity_row("Energy a sample", totals.energy_per_sample_j, note))
    if totals.above_idle_energy_j.value is not None:
        table.add_row(*_quantity_row("Above idle", totals.above_idle_energy_j, "the work itself"))
    elif totals.idle_energy_j.value is not None:
        why = reason_for(report, "totals.above_idle_energy_j", "not known")
        table.add_row(*_quantity_row("Above idle", totals.above_idle_energy_j, why))
    median = report.steps.duration_s.p50
    note = counted(totals.steps, "step") + (f", median {format_duration(median)}" if median else "")
    table.add_row("Time", format_duration(totals.duration_s), "", "", note)
    if (peak := leading_peak(report)) is not None:
        table.add_row("Peak memory", format_bytes(peak[0]), "", "", peak[1])
    accuracy = quality.test_accuracy if quality.test_accuracy is not None else quality.validation_accuracy
    if accuracy is not None:
        kind = "Test accuracy" if quality.test_accuracy is not None else "Validation acc."
        table.add_row(kind, percent(accuracy, 2), "", "", "")
    if totals.co2e_kg is not None:
        table.add_row("CO2e", format_mass(totals.co2e_kg), "", "", _carbon_note(report))
    for share in carbon_shares(report):
        table.add_row(f"beside: {share.title}", format_mass(share.mass_kg), "", "", share.note)
    return table


def _quantity_row(title: str, quantity: Quantity, note: str) -> tuple[RenderableType, ...]:
    return title, quantity_text(quantity), range_text(quantity), source_text(quantity.source), note


def _energy_note(report: Report) -> str:
    totals = report.totals
    if totals.energy_j.value is None:
        return "no sensor gave joules"
    mean = "" if totals.mean_power_w is None else f", {format_power(totals.mean_power_w)} on average"
    return kwh_text(totals.energy_j.value) + mean


def _carbon_note(report: Report) -> str:
    carbon = report.carbon
    if carbon.intensity_g_per_kwh is None:
        return ""
    place = "assumed" if carbon.assumed else carbon.country or "as given"
    return f"{intensity_text(carbon.intensity_g_per_kwh)} ({place})"


def _power_line(knots: EnergyKnots, width: int = 60) -> Text:
    edges = np.linspace(knots.t_s[0], knots.t_s[-1], width + 1)
    power = np.diff(np.interp(edges, knots.t_s, knots.value_j)) / np.diff(edges)
    return Text.assemble(
        ("Power  ", "dim"), (sparkline(power), "cyan"), ("  0 to ", "dim"), format_power(float(power.max()))
    )


def _dearest(lines: list[LedgerLine]) -> list[LedgerLine]:
    """Keep groups and the dearest lines among the rest, in their order."""
    rank = {"group": 0, "rest": 0}
    order = sorted(
        range(len(lines)), key=lambda k: (rank.get(lines[k].kind, 1), -(lines[k].energy.value or 0.0))
    )
    kept = set(order[:_MOST_LINES])
    return [line for k, line in enumerate(lines) if k in kept]


def _ledger_row(line: LedgerLine, domains: int) -> list[str]:
    bar = "" if line.share is None else "█" * round(14 * line.share) or "▏"
    power = line.mean_power_w
    return [
        ("  " if line.kind == "sub" else "") + printable(line.name),
        bar,
        percent(line.share),
        quantity_text(line.energy),
        *(DASH if q is None else quantity_text(q) for q in line.cells[:domains]),
        format_duration(line.seconds),
        DASH if power is None else format_power(power),
    ]


def _line_style(line: LedgerLine) -> str:
    return "dim" if line.kind == "rest" else ""
