"""The ledger as lines: groups of phases by first name, dearest first, what is in no phase last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from energyprof.analysis.phases import likeliest_energies
from energyprof.record.model import PhaseEnergy, Quantity, Report
from energyprof.record.trace import UNATTRIBUTED
from energyprof.report.words import worst_source

__all__ = ["LedgerLine", "ledger_lines"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLine:
    """One line of the ledger: a phase, or a group of phases that share their first name.

    Attributes:
        name: what the line shows.
        kind: ``single``, ``group``, ``sub`` or ``rest`` (in no phase).
        energy: the likeliest figure, see :func:`energyprof.analysis.phases.likeliest_energies`.
        bounded: the figure with guaranteed bounds.
        cells: bounded figures by domain, in the order of the totals.
        share: of the total, or None.
    """

    name: str
    kind: str
    seconds: float
    count: int | None
    energy: Quantity
    bounded: Quantity
    cells: tuple[Quantity | None, ...]
    share: float | None

    @property
    def mean_power_w(self) -> float | None:
        """Return the mean power while in this phase, or None."""
        known = self.energy.value is not None and self.seconds > 0
        return (self.energy.value or 0.0) / self.seconds if known else None


def ledger_lines(report: Report) -> list[LedgerLine]:
    """Lay the phases of a report out as lines."""
    energies = likeliest_energies(report)
    groups: dict[str, list[PhaseEnergy]] = {}
    for phase in report.phases:
        groups.setdefault(phase.name.split("/")[0], []).append(phase)
    rest = groups.pop(UNATTRIBUTED, [])
    lines: list[LedgerLine] = []
    for name, phases in sorted(groups.items(), key=lambda item: -_weight(item[1], energies)):
        if len(phases) == 1:
            lines.append(_line(report, phases, phases[0].name.replace("/", " / "), "single", energies))
            continue
        lines.append(_line(report, phases, name, "group", energies))
        ordered = sorted(phases, key=lambda p: -_weight([p], energies))
        lines += [_line(report, [p], _tail(p.name), "sub", energies) for p in ordered]
    return lines + [_line(report, [p], "in no phase", "rest", energies) for p in rest]


def _tail(path: str) -> str:
    first, _, rest = path.partition("/")
    return rest.replace("/", " / ") or f"{first}, the rest of it"


def _weight(phases: Sequence[PhaseEnergy], energies: Mapping[str, Quantity]) -> float:
    """Order by energy, and by time where no energy is known."""
    return sum(energies[p.name].value or 0.0 for p in phases) + 1e-12 * sum(p.seconds for p in phases)


def _line(
    report: Report, phases: Sequence[PhaseEnergy], name: str, kind: str, energies: Mapping[str, Quantity]
) -> LedgerLine:
    total = report.totals.energy_j.value
    energy = _capped(_sum([energies[p.name] for p in phases]), report.totals.energy_j)
    return LedgerLine(
        name=name,
        kind=kind,
        seconds=sum(p.seconds for p in phases),
        count=phases[0].count if kind != "group" else None,
        energy=energy,
        bounded=_capped(_sum([p.energy_j for p in phases]), report.totals.energy_j),
        cells=tuple(_sum([p.by_domain_j.get(d) for p in phases]) for d in report.totals.energy_by_domain_j),
        share=energy.value / total if energy.value is not None and total else None,
    )


def _capped(energy: Quantity, total: Quantity) -> Quantity:
    """Cut the upper end at the total's: no part of a window drew more than all of it."""
    if energy.high is None or total.high is None or energy.high <= total.high:
        return energy
    return replace(energy, high=max(total.high, energy.value or 0.0))


def _sum(parts: Sequence[Quantity | None]) -> Quantity:
    """Add quantities; ends of intervals add up too, which is wide but never wrong."""
    known = [q for q in parts if q is not None and q.value is not None]
    if len(known) == 1:
        return known[0]
    if not known:
        return Quantity.missing()
    bounded = all(q.low is not None and q.high is not None for q in known)
    return Quantity(
        value=sum(q.value or 0.0 for q in known),
        low=sum(q.low or 0.0 for q in known) if bounded else None,
        high=sum(q.high or 0.0 for q in known) if bounded else None,
        source=worst_source(known),
    )
