"""Another tool that measured beside a run: its joules against the record's, by kind of hardware."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from energyprof.analysis.findings import Findings
from energyprof.record.model import EnergyBeside, Flag, Quantity, Severity, ToolBeside
from energyprof.units import format_energy

__all__ = ["beside_sentences", "kind_word", "ran_beside", "with_gaps"]

#: kind of hardware, as tools call it -> kind of domain here, and its word
_KINDS: Final = {"gpu": ("gpu", "GPU"), "cpu": ("cpu", "CPU"), "ram": ("dram", "Memory")}


def with_gaps(tool: ToolBeside | None, energy_by_domain_j: Mapping[str, Quantity]) -> ToolBeside | None:
    """Put the record's own energy beside a tool's, with the gap.

    Args:
        tool: with its own energies.
        energy_by_domain_j: the record's, over the window.
    """
    if tool is None:
        return None
    return replace(tool, energies=tuple(_with_gap(entry, energy_by_domain_j) for entry in tool.energies))


def _with_gap(entry: EnergyBeside, energy_by_domain_j: Mapping[str, Quantity]) -> EnergyBeside:
    kind = _KINDS[entry.kind][0] if entry.kind in _KINDS else entry.kind
    known = [q.value for d, q in energy_by_domain_j.items() if d.partition(":")[0] == kind]
    ours_j = sum(v for v in known if v is not None) if known and None not in known else None
    gap = None if entry.energy_j is None or not ours_j else (entry.energy_j - ours_j) / ours_j
    return replace(entry, ours_j=ours_j, relative_gap=gap)


def kind_word(kind: str) -> str:
    """Return what a kind of hardware is called."""
    return _KINDS[kind][1] if kind in _KINDS else kind


def beside_sentences(tool: ToolBeside) -> list[str]:
    """Say for each kind of hardware what the tool and the record have, in plain words."""
    if not tool.energies:
        return [f"{_name(tool)} gave no energy."]
    return [text for entry in tool.energies if (text := _sentence(tool, entry))]


def _sentence(tool: ToolBeside, entry: EnergyBeside) -> str:
    name, word = _name(tool), kind_word(entry.kind)
    if entry.energy_j is None:
        return _unseen(tool, entry)
    theirs = format_energy(entry.energy_j)
    if entry.ours_j is None:
        return f"{word}: {name} counted {theirs}; this record has none."
    text = f"{word}: {name} counted {theirs}, this record {format_energy(entry.ours_j)}"
    return f"{text}: {_gap_text(entry.relative_gap)}." if entry.relative_gap is not None else f"{text}."


def _name(tool: ToolBeside) -> str:
    """Return the name of a tool without its release."""
    return tool.tool.partition(" ")[0]


def _gap_text(gap: float) -> str:
    if abs(gap) < 0.0005:
        return "the same"
    return f"{abs(gap) * 100:.1f} % {'more' if gap > 0 else 'less'}"


def _unseen(tool: ToolBeside, entry: EnergyBeside) -> str:
    """Say that the tool has nothing of a kind, where the record has or it should."""
    word = kind_word(entry.kind)
    blind = f"{_name(tool)} counted no energy"
    if entry.kind == "gpu" and tool.gpus == 0:
        blind = f"{_name(tool)} saw no GPU"
    elif entry.kind == "gpu" and tool.gpus:
        blind = f"{_name(tool)} saw {tool.gpus} GPU{'' if tool.gpus == 1 else 's'} and counted no energy"
    if entry.ours_j is not None:
        return f"{word}: {blind}; this record has {format_energy(entry.ours_j)}."
    return f"{word}: {blind}." if entry.kind == "gpu" and tool.gpus else ""


def ran_beside(findings: Findings) -> Iterator[Flag]:
    """Say that another tool measured at the same time, and what it found."""
    tool = findings.report.cross_check.codecarbon
    if tool is None:
        return
    yield Flag(
        code="measured-by-two",
        severity=Severity.INFO,
        message=f"{tool.tool} measured beside this run: time and energy are of both. "
        + " ".join(beside_sentences(tool) if tool.energies else ()),
        advice="Leave --codecarbon out for the figures of the training alone.",
    )
