"""Runs that never reach the target: censored data, judged before any mean is formed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from energyprof.gate.judgement import Finding
from energyprof.gate.verdict import Outcome

__all__ = ["judge_infinite", "judge_reach"]


def judge_reach(base: Sequence[float], head: Sequence[float]) -> Finding:
    """Judge how many runs reach the target at all.

    It fails where a head run misses a target that every base run reaches; it is inconclusive where both sides
    miss and head reaches less often.
    """
    base_rate, head_rate = _rate(base), _rate(head)
    seen = (
        f"{_reached(head)} of {len(head)} head and {_reached(base)} of {len(base)} base runs reach the target"
    )
    if base_rate == 1 and head_rate < 1:
        return Finding(outcome=Outcome.FAIL, because=seen)
    undecided = head_rate < base_rate
    return Finding(outcome=Outcome.INCONCLUSIVE if undecided else Outcome.PASS, because=seen)


def judge_infinite(base: Sequence[float], head: Sequence[float]) -> Finding | None:
    """Judge what it took where a run counts as infinite; None where every run reached the target."""
    base_missed, head_missed = len(base) - _reached(base), len(head) - _reached(head)
    if not base_missed and not head_missed:
        return None
    if head_missed and not base_missed:
        return Finding(
            outcome=Outcome.FAIL, because=f"{head_missed} of {len(head)} head runs never reach the target"
        )
    if base_missed and not head_missed:
        return Finding(
            outcome=Outcome.PASS, because=f"every head run reaches the target, {base_missed} base runs do not"
        )
    return Finding(
        outcome=Outcome.INCONCLUSIVE, because="runs of both sides never reach the target: no ratio"
    )


def _reached(values: Sequence[float]) -> int:
    return sum(not math.isinf(value) for value in values)


def _rate(values: Sequence[float]) -> float:
    return _reached(values) / len(values) if values else 0.0
