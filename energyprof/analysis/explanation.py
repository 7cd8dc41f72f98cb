"""Why one side took less energy: an exact split of the ratio into passes, time a pass and mean power.

With S the samples seen, T the time and E the energy, ``E = S x (T / S) x (E / T)``, so that ::

    ln(E_A / E_B) = ln(S_A / S_B) + ln((T_A / S_A) / (T_B / S_B)) + ln(P_A / P_B)

holds exactly; on one data set the ratio of samples is the ratio of passes. By part (phase, or idle and above
idle) the logarithmic mean Divisia index splits the same logarithm additively and without a rest::

    ln(E_A / E_B) = sum over i of (E_iA - E_iB) / L(E_A, E_B),    L(x, y) = (x - y) / (ln x - ln y)

which is w_i ln(E_iA / E_iB) with w_i = L(E_iA, E_iB) / L(E_A, E_B), and also holds where a side has no part
i. Points of a term are its share of the logarithm times the change in per cent; they add up to the change.

Source: B. W. Ang, The LMDI approach to decomposition analysis, Energy Policy 33 (2005) 867, table 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from energyprof.analysis.phases import likeliest_energies, phase_kind
from energyprof.errors import UsageError
from energyprof.record.model import Report

__all__ = ["Explanation", "Profile", "Term", "explain", "profile_of"]

_MOST_SPOKEN: Final = 4  # phases, in a sentence
_PART_WORDS: Final = {"idle": "idling", "above idle": "the work above idle"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a side took: of one run, or the geometric mean over its runs, as everywhere in a comparison.

    Attributes:
        samples: training samples seen, or None where they were not counted.
        phases: energy by kind of phase, in the proportions of the runs together; their sum is ``energy_j``
            but for what is in no domain.
        idle_j: what idling as long would have drawn, or None where it is not known.
        energy_low_j: of a single run, the lower bound of its energy, or None.
    """

    name: str
    runs: int
    energy_j: float
    duration_s: float
    samples: float | None
    steps: float | None
    phases: Mapping[str, float]
    idle_j: float | None
    energy_low_j: float | None = None
    energy_high_j: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One term of the split.

    Attributes:
        log: its part of ``ln(E_A / E_B)``; the terms of a split add up to it.
        points: the same in percentage points of the change from B to A.
        value_a: the figure behind it on side A, or None.
        unit: of the figures, SI.
    """

    name: str
    log: float
    points: float
    value_a: float | None = None
    value_b: float | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why A took more or less energy than B.

    Attributes:
        ratio: E_A / E_B.
        factors: passes (or steps), time each, mean power.
        phases: by kind of phase; empty where a side's phases do not make up its total.
        idle: idle and above idle; empty where idle power is not known on both sides.
        words: the same in sentences.
    """

    a: Profile
    b: Profile
    ratio: float
    factors: tuple[Term, ...]
    phases: tuple[Term, ...]
    idle: tuple[Term, ...]
    words: tuple[str, ...]


def profile_of(reports: Sequence[Report], name: str) -> Profile:
    """Return the profile of some runs: geometric means, so that factors multiply to the ratio compared.

    Args:
        reports: at least one, each with a known energy and duration.
        name: what to call the side.

    Raises:
        UsageError: a run has no energy or no duration.
    """
    for report in reports:
        if not report.totals.energy_j.value or not report.totals.duration_s:
            raise UsageError(
                f"cannot explain run {report.run.id}: its energy is not known; see its data quality flags"
            )
    by_kind = [_by_kind(report) for report in reports]
    kinds = dict.fromkeys(kind for found in by_kind for kind in found)
    energies = [report.totals.energy_j.value or 0.0 for report in reports]
    energy_j = _geometric(energies) or 0.0
    scale = energy_j / math.fsum(energies)
    idle = [report.totals.idle_energy_j.value for report in reports]
    return Profile(
        name=name,
        runs=len(reports),
        energy_j=energy_j,
        duration_s=_geometric([r.totals.duration_s for r in reports]) or 0.0,
        samples=_geometric([r.totals.samples for r in reports]),
        steps=_geometric([r.totals.steps for r in reports]),
        phases={k: scale * math.fsum(found.get(k, 0.0) for found in by_kind) for k in kinds},
        idle_j=None if None in idle else scale * math.fsum(value or 0.0 for value in idle),
        energy_low_j=reports[0].totals.energy_j.low if len(reports) == 1 else None,
        energy_high_j=reports[0].totals.energy_j.high if len(reports) == 1 else None,
    )


def explain(a: Profile, b: Profile) -> Explanation:
    """Split the logarithm of ``a.energy_j / b.energy_j``."""
    log = math.log(a.energy_j / b.energy_j)
    ratio = a.energy_j / b.energy_j
    per_log = 100 * _log_mean(ratio, 1.0)
    explanation = Explanation(
        a=a,
        b=b,
        ratio=ratio,
        factors=_factors(a, b, per_log),
        phases=_parts(a, b, a.phases, b.phases, per_log) if _whole(a) and _whole(b) else (),
        idle=_idle(a, b, per_log),
        words=(),
    )
    return Explanation(
        a=a,
        b=b,
        ratio=ratio,
        factors=explanation.factors,
        phases=explanation.phases,
        idle=explanation.idle,
        words=tuple(_words(explanation, log)),
    )


def _geometric(values: Sequence[float | None]) -> float | None:
    """Return the geometric mean, or None where a value is missing or not positive; of one, itself."""
    known = [value for value in values if value]
    if len(known) < len(values):
        return None
    return known[0] if len(set(known)) == 1 else math.exp(math.fsum(map(math.log, known)) / len(known))


def _by_kind(report: Report) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, energy in likeliest_energies(report).items():
        found[phase_kind(name)] = found.get(phase_kind(name), 0.0) + (energy.value or 0.0)
    return found


def _log_mean(x: float, y: float) -> float:
    return x if math.isclose(x, y, rel_tol=1e-12) else (x - y) / (math.log(x) - math.log(y))


def _factors(a: Profile, b: Profile, per_log: float) -> tuple[Term, ...]:
    if a.samples and b.samples:
        work = ("passes over the data", "samples", a.samples, b.samples, "time a pass", "s a sample")
    elif a.steps and b.steps:
        work = ("steps", "steps", a.steps, b.steps, "time a step", "s a step")
    else:
        time = _term("time", a.duration_s, b.duration_s, "s", per_log)
        return time, _power(a, b, per_log)
    name, unit, done_a, done_b, each, each_unit = work
    return (
        _term(name, done_a, done_b, unit, per_log),
        _term(each, a.duration_s / done_a, b.duration_s / done_b, each_unit, per_log),
        _power(a, b, per_log),
    )


def _power(a: Profile, b: Profile, per_log: float) -> Term:
    return _term("mean power", a.energy_j / a.duration_s, b.energy_j / b.duration_s, "W", per_log)


def _term(name: str, value_a: float, value_b: float, unit: str, per_log: float) -> Term:
    log = math.log(value_a / value_b)
    return Term(name=name, log=log, points=log * per_log, value_a=value_a, value_b=value_b, unit=unit)


def _whole(profile: Profile) -> bool:
    """Tell whether the phases make up the total; else a split by phase would be of something else."""
    return math.isclose(math.fsum(profile.phases.values()), profile.energy_j, rel_tol=1e-6)


def _parts(
    a: Profile, b: Profile, parts_a: Mapping[str, float], parts_b: Mapping[str, float], per_log: float
) -> tuple[Term, ...]:
    mean = _log_mean(a.energy_j, b.energy_j)
    terms = []
    for name in dict.fromkeys((*parts_a, *parts_b)):
        energy_a, energy_b = parts_a.get(name, 0.0), parts_b.get(name, 0.0)
        log = (energy_a - energy_b) / mean
        terms.append(
            Term(name=name, log=log, points=log * per_log, value_a=energy_a, value_b=energy_b, unit="J")
        )
    return tuple(sorted(terms, key=lambda term: -abs(term.log)))


def _idle(a: Profile, b: Profile, per_log: float) -> tuple[Term, ...]:
    if a.idle_j is None or b.idle_j is None:
        return ()
    above_a, above_b = a.energy_j - a.idle_j, b.energy_j - b.idle_j
    return _parts(
        a, b, {"idle": a.idle_j, "above idle": above_a}, {"idle": b.idle_j, "above idle": above_b}, per_log
    )


def _words(explanation: Explanation, log: float) -> list[str]:
    a, b = explanation.a.name, explanation.b.name
    change = 100 * (explanation.ratio - 1)
    if abs(change) < 0.05:
        return [f"{a} and {b} used the same energy to within 0.1 %."]
    used = f"{a} used {abs(change):.{_digits(change)}f} % {'less' if change < 0 else 'more'} energy than {b}"
    sentences = [f"{used}: {_listed(explanation.factors, change)}."]
    if _bounds_overlap(explanation.a, explanation.b):
        sentences.append("The bounds of the two energies overlap: the sensors cannot tell which used less.")
    if explanation.phases:
        sentences.append(f"By phase: {_listed(_few(explanation.phases), change, factors=False)}.")
    if explanation.idle:
        sentences.append(f"Of it, {_listed(explanation.idle, change, factors=False)}.")
    return sentences


def _bounds_overlap(a: Profile, b: Profile) -> bool:
    ends = (a.energy_low_j, a.energy_high_j, b.energy_low_j, b.energy_high_j)
    if None in ends:
        return False
    low_a, high_a, low_b, high_b = (end or 0.0 for end in ends)
    return low_a <= high_b and low_b <= high_a


def _few(terms: Sequence[Term]) -> list[Term]:
    """Keep the largest terms, and put the others together: what is listed adds up to the change."""
    if len(terms) <= _MOST_SPOKEN + 1:
        return list(terms)
    shown, rest = terms[:_MOST_SPOKEN], terms[_MOST_SPOKEN:]
    log, points = math.fsum(t.log for t in rest), math.fsum(t.points for t in rest)
    return [*shown, Term(name=f"{len(rest)} other phases", log=log, points=points)]


def _listed(terms: Sequence[Term], change: float, *, factors: bool = True) -> str:
    """List the terms, those that pull in the direction of the change first."""
    ordered = sorted(terms, key=lambda t: (t.points * change < 0, -abs(t.points)))
    parts = [_spoken(term, change, factors) for term in ordered]
    return ", ".join(parts)


def _spoken(term: Term, change: float, factors: bool) -> str:
    size = f"{abs(term.points):.{_digits(change)}f}"
    if float(size) == 0:
        return f"none from {term.name if factors else _PART_WORDS.get(term.name, term.name)}"
    against = "" if term.points * change > 0 else " the other way"
    source = _way(term) if factors else _PART_WORDS.get(term.name, term.name)
    noun = "point" if float(size) == 1 else "points"
    return f"{size} {noun}{against} from {source}"


def _way(term: Term) -> str:
    more = {"passes over the data": "more", "steps": "more"}.get(term.name)
    if more:
        return f"{more if term.log > 0 else 'fewer'} {term.name}"
    if term.name == "mean power":
        return f"{'higher' if term.log > 0 else 'lower'} {term.name}"
    return f"{'more' if term.log > 0 else 'less'} {term.name}"


def _digits(change: float) -> int:
    return 0 if abs(change) >= 10 else 1
