"""Runs that share a seed: under an interval they look like more evidence than they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

__all__ = ["repeated_seeds_text"]

_MOST_NAMED: Final = 3


def repeated_seeds_text(runs: str, seeds: Sequence[int | None]) -> str | None:
    """Say what an interval over runs cannot hold where seeds repeat; None where none does.

    Runs of one seed differ by what the machine did. Between seeds, what is learned differs, too.

    Args:
        runs: what they are called: ``runs of mf``.
        seeds: of each run; None where it is not told.
    """
    counts = Counter(seed for seed in seeds if seed is not None)
    repeated = sorted(seed for seed, count in counts.items() if count > 1)
    if not repeated:
        return None
    if len(counts) == 1 and None not in seeds:
        return (
            f"all {len(seeds)} {runs} have seed {repeated[0]}: they differ by the machine alone, and their "
            "interval says nothing of other seeds"
        )
    sharing = sum(counts[seed] for seed in repeated)
    named = ", ".join(map(str, repeated[:_MOST_NAMED])) + (", ..." if len(repeated) > _MOST_NAMED else "")
    noun = "seed" if len(repeated) == 1 else "seeds"
    return (
        f"{sharing} of the {len(seeds)} {runs} share {noun} {named}: they count as if each had its own, and "
        "their interval may be too narrow"
    )
