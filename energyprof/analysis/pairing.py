"""Whether two sets of runs form pairs: the same seeds, interleaved in one sitting on one host.

Only then may their differences be taken pair by pair; the design comes from the records, never from which
interval is tighter.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from energyprof.record.model import Report

__all__ = ["paired_runs", "same_seeds"]

LONGEST_SPELL: Final = 2  # A B B A puts two of a side in a row; three are no interleaving


def paired_runs(base: Sequence[Report], head: Sequence[Report]) -> list[tuple[int, int]] | None:
    """Return pairs of positions with the same seed where the runs were interleaved, else None."""
    pairs = same_seeds(base, head)
    if len(pairs) < 2 or len(pairs) != len(base) or len(pairs) != len(head):
        return None
    hosts = {report.environment.hostname_hash for report in (*base, *head)}
    return pairs if len(hosts) == 1 and None not in hosts and _interleaved(base, head) else None


def same_seeds(base: Sequence[Report], head: Sequence[Report]) -> list[tuple[int, int]]:
    """Return pairs of positions with the same seed; a seed that occurs twice on a side is left out."""
    ours, theirs = _by_seed(base), _by_seed(head)
    return [(ours[seed], theirs[seed]) for seed in ours if seed in theirs]


def _by_seed(reports: Sequence[Report]) -> dict[int, int]:
    seeds = [report.run.seed for report in reports]
    return {seed: k for k, seed in enumerate(seeds) if seed is not None and seeds.count(seed) == 1}


def _interleaved(base: Sequence[Report], head: Sequence[Report]) -> bool:
    times = [(_started(r), 0) for r in base] + [(_started(r), 1) for r in head]
    known = [(moment, side) for moment, side in times if moment is not None]
    if len(known) < len(times) or len({moment for moment, _ in known}) < len(known):
        return False
    sides = [side for _, side in sorted(known)]
    spells = [sum(1 for _ in spell) for spell in _spells(sides)]
    return max(spells) <= LONGEST_SPELL


def _spells(sides: Sequence[int]) -> list[list[int]]:
    spells: list[list[int]] = []
    for side in sides:
        if spells and spells[-1][0] == side:
            spells[-1].append(side)
        else:
            spells.append([side])
    return spells


def _started(report: Report) -> datetime | None:
    try:
        moment = datetime.fromisoformat(report.run.started_at)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
