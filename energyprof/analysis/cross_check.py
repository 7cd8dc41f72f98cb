"""The two estimators of one device, side by side: its counter, and its power readings integrated."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from energyprof.analysis.arrays import NS
from energyprof.analysis.attribution import Attribution
from energyprof.analysis.energy_curve import EnergyCurve, SensorCurve
from energyprof.record.model import CounterPowerGap, CrossCheck, Provenance

__all__ = ["cross_check"]


def cross_check(attribution: Attribution, window_ns: tuple[int, int]) -> CrossCheck:
    """Compare counters with integrated power over the window, and say how well phases are told apart.

    The condition number is the worst among the domains that have a regression.
    """
    window = (window_ns[0] * NS, window_ns[1] * NS)
    gaps = [gap for d in attribution.known.values() if (gap := _gap(d.curve, window)) is not None]
    conditions = [model.powers.condition for d in attribution.known.values() for model in d.models]
    return CrossCheck(counter_power=tuple(gaps), condition_number=max(conditions, default=None))


def _gap(curve: EnergyCurve, window: tuple[float, float]) -> CounterPowerGap | None:
    if curve.source is not Provenance.COUNTER:
        return None
    pairs = list(_both(curve.parts, window))
    counted, integrated = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
    if len(pairs) < len(curve.parts) or counted <= 0:
        return None
    return CounterPowerGap(
        domain=curve.domain,
        counter_j=counted,
        integrated_j=integrated,
        relative_gap=(integrated - counted) / counted,
    )


def _both(parts: tuple[SensorCurve, ...], window: tuple[float, float]) -> Iterator[tuple[float, float]]:
    """Yield counted and integrated energy over the part of the window that both saw."""
    for part in parts:
        if part.witness is None or len(part.witness) < 2:
            continue
        begin = max(window[0], part.refreshes.at_s[0], part.witness.at_s[0])
        end = min(window[1], part.refreshes.at_s[-1], part.witness.at_s[-1])
        if end - begin < 2 * max(part.witness.window_s, part.refresh_s):
            continue
        ends = np.array([begin, end])
        yield float(np.diff(part.estimate.at(ends))[0]), float(np.diff(part.witness.cumulative_j(ends))[0])
