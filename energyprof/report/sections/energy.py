"""Where the energy went: by phase, by layer, by domain, adding up; what is in no phase shown as such."""

from __future__ import annotations

from typing import Final

from energyprof.analysis.beside import beside_sentences, kind_word
from energyprof.analysis.phases import phases_are_modelled
from energyprof.record.model import Quantity, Report
from energyprof.report.ledger_lines import LedgerLine, ledger_lines
from energyprof.report.page import fragment
from energyprof.report.section import Section
from energyprof.report.sections.layers import layer_lines
from energyprof.report.view import RunView
from energyprof.report.words import SUM_TOLERANCE, reason_for
from energyprof.units import format_duration

__all__ = ["section"]

_SAME_TIME: Final = 0.005  # of the window


def section(view: RunView) -> Section:
    """Build the section."""
    report = view.report
    domains = tuple(report.totals.energy_by_domain_j)
    lines, layers = ledger_lines(report), layer_lines(report)
    body = fragment(
        "run_energy.html",
        domains=domains,
        domain_totals=[report.totals.energy_by_domain_j[d] for d in domains],
        lines=lines,
        layers=layers,
        kinds=list(dict.fromkeys(kind for layer in layers for kind in layer.kinds)),
        totals=report.totals,
        modelled=phases_are_modelled(report),
        adds_up=_adds_up(lines, report.totals.energy_j),
        unattributed=next((line.share for line in lines if line.kind == "rest"), None),
        gaps=report.cross_check.counter_power,
        beside=report.cross_check.codecarbon,
        beside_text=_beside_text(report),
        kind_word=kind_word,
        condition=report.cross_check.condition_number,
        no_above_idle=reason_for(report, "totals.above_idle_energy_j", "the idle energy is not known"),
    )
    return Section(
        key="energy",
        short="Energy by phase",
        title="Where the energy went",
        about="Every joule of the measured window, by phase and by what drew it. Phases exclude each other, "
        "so the lines add up.",
        body=body,
    )


def _beside_text(report: Report) -> str:
    """Say what another tool that ran beside has found, how long it looked, and what that means."""
    tool = report.cross_check.codecarbon
    if tool is None:
        return ""
    lasted_s, window_s = tool.duration_s, report.totals.duration_s
    text = beside_sentences(tool)
    if lasted_s is not None and abs(lasted_s - window_s) > _SAME_TIME * window_s:
        text.append(
            f"It counted for {format_duration(lasted_s)}, and the window is {format_duration(window_s)}."
        )
    return " ".join(text)


def _adds_up(lines: list[LedgerLine], total: Quantity) -> bool | None:
    """Tell whether the lines make up the total; None where there is nothing to add."""
    parts = [line.energy.value for line in lines if line.kind != "sub"]
    if not parts or not total.value or any(part is None for part in parts):
        return None
    return abs(sum(part or 0.0 for part in parts) - total.value) <= SUM_TOLERANCE * total.value
