"""Where the energy went: domain x phase, adding up to the total, what is in no phase shown as such."""

from __future__ import annotations

from dataclasses import dataclass

from energyprof.record.model import PhaseEnergy, Provenance, Quantity, Report
from energyprof.record.trace import UNATTRIBUTED
from energyprof.report.page import fragment
from energyprof.report.section import Section
from energyprof.report.view import RunView
from energyprof.report.words import SUM_TOLERANCE, worst_source

__all__ = ["LedgerLine", "ledger_lines", "section"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLine:
    """One line of the ledger: a phase, or a group of phases that share their first name.

    Attributes:
        phase: the whole path; the group's name on a group's line.
        name: what the line shows.
        kind: ``single``, ``group``, ``sub`` or ``rest`` (unattributed).
        share: of the total, or None.
    """

    phase: str
    name: str
    kind: str
    seconds: float
    count: int | None
    cells: tuple[Quantity | None, ...]
    energy: Quantity
    modelled: Quantity
    share: float | None

    @property
    def mean_power_w(self) -> float | None:
        """Return the mean power while in this phase, or None."""
        return (
            self.energy.value / self.seconds if self.energy.value is not None and self.seconds > 0 else None
        )


def section(view: RunView) -> Section:
    """Build the section."""
    report = view.report
    domains = tuple(report.totals.energy_by_domain_j)
    lines = ledger_lines(report)
    body = fragment(
        "run_energy.html",
        domains=domains,
        domain_totals=[report.totals.energy_by_domain_j[d] for d in domains],
        lines=lines,
        totals=report.totals,
        modelled=any(line.modelled.value is not None for line in lines),
        adds_up=_adds_up(lines, report.totals.energy_j),
        unattributed=_unattributed(report),
        gaps=report.cross_check.counter_power,
        condition=report.cross_check.condition_number,
    )
    return Section(
        key="energy",
        short="Energy by phase",
        title="Where the energy went",
        about="Every joule of the measured window, by phase and by what drew it. Phases exclude each other, "
        "so the lines add up.",
        body=body,
    )


def ledger_lines(report: Report) -> list[LedgerLine]:
    """Lay the phases out as lines: groups by first name, dearest first, unattributed last."""
    domains = tuple(report.totals.energy_by_domain_j)
    groups: dict[str, list[PhaseEnergy]] = {}
    for phase in report.phases:
        groups.setdefault(phase.name.split("/")[0], []).append(phase)
    rest = groups.pop(UNATTRIBUTED, [])
    ordered = sorted(groups.items(), key=lambda item: -_known(item[1]))
    lines: list[LedgerLine] = []
    for name, phases in ordered:
        if len(phases) == 1:
            lines.append(_line(report, phases[0], phases[0].name.replace("/", " / "), "single", domains))
            continue
        lines.append(_group(report, name, phases, domains))
        lines += [
            _line(report, p, _tail(p.name), "sub", domains)
            for p in sorted(phases, key=lambda p: -_known([p]))
        ]
    return lines + [_line(report, p, "in no phase", "rest", domains) for p in rest]


def _tail(path: str) -> str:
    first, _, rest = path.partition("/")
    return rest.replace("/", " / ") or f"{first}, the rest of it"


def _known(phases: list[PhaseEnergy]) -> float:
    return sum(p.energy_j.value or 0.0 for p in phases) or sum(p.seconds for p in phases) * 1e-9


def _line(report: Report, phase: PhaseEnergy, name: str, kind: str, domains: tuple[str, ...]) -> LedgerLine:
    return LedgerLine(
        phase=phase.name,
        name=name,
        kind=kind,
        seconds=phase.seconds,
        count=phase.count,
        cells=tuple(phase.by_domain_j.get(domain) for domain in domains),
        energy=phase.energy_j,
        modelled=phase.modelled_energy_j,
        share=_share(report, phase.energy_j.value),
    )


def _group(report: Report, name: str, phases: list[PhaseEnergy], domains: tuple[str, ...]) -> LedgerLine:
    energy = _sum([p.energy_j for p in phases])
    return LedgerLine(
        phase=name,
        name=name,
        kind="group",
        seconds=sum(p.seconds for p in phases),
        count=None,
        cells=tuple(_sum([p.by_domain_j.get(domain) for p in phases]) for domain in domains),
        energy=energy,
        modelled=_sum([p.modelled_energy_j for p in phases]),
        share=_share(report, energy.value),
    )


def _sum(parts: list[Quantity | None]) -> Quantity:
    """Add quantities; bounds add up only where all parts have them, else there are none."""
    known = [q for q in parts if q is not None and q.value is not None]
    if not known:
        return Quantity.missing()
    bounded = all(q.low is not None and q.high is not None for q in known)
    return Quantity(
        value=sum(q.value or 0.0 for q in known),
        low=sum(q.low or 0.0 for q in known) if bounded else None,
        high=sum(q.high or 0.0 for q in known) if bounded else None,
        source=worst_source(known),
    )


def _share(report: Report, value: float | None) -> float | None:
    total = report.totals.energy_j.value
    return value / total if value is not None and total else None


def _adds_up(lines: list[LedgerLine], total: Quantity) -> bool | None:
    parts = [line.energy.value for line in lines if line.kind != "sub"]
    if total.source is Provenance.MISSING or not total.value or any(p is None for p in parts) or not parts:
        return None
    return abs(sum(p for p in parts if p is not None) - total.value) <= SUM_TOLERANCE * total.value


def _unattributed(report: Report) -> float | None:
    parts = [
        p.energy_j.value for p in report.phases if p.name == UNATTRIBUTED and p.energy_j.value is not None
    ]
    return _share(report, sum(parts)) if parts else None
