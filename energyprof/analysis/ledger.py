"""The ledger: energy of each domain in each phase, adding up exactly, and what of it is idle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from energyprof.analysis.attribution import quantity, total_quantity
from energyprof.analysis.energy_curve import EnergyCurve
from energyprof.analysis.phase_energy import PhaseFigures
from energyprof.record.model import LedgerRow, Provenance, Quantity

__all__ = ["above_idle", "idle_energy", "idle_power", "ledger_rows"]

LEAST_IDLE_REFRESHES: Final = 3  # a shorter stretch before or after the window tells no idle power
LEAST_IDLE_S: Final = 0.2
#: Of the total: what a model must show above idle to say anything. The kernel counts busy time in ticks of
#: 10 ms, a hundredth of the second of idle that is recorded.
LEAST_MODELLED_SHARE: Final = 0.01


def ledger_rows(
    figures: Sequence[PhaseFigures],
    phases: Sequence[str],
    present: Sequence[int],
    totals: Mapping[str, Quantity],
) -> tuple[LedgerRow, ...]:
    """Return one row for each domain and each phase that occurred.

    Args:
        figures: one a domain.
        phases: the names of all phases.
        present: which of them occurred, by index.
        totals: energy of the window by domain; the rows of a domain add up to it to the last bit.
    """
    rows: list[LedgerRow] = []
    for domain in figures:
        energy = domain.bounded
        values = _adding_up([float(energy.value[p]) for p in present], totals[domain.domain].value or 0.0)
        rows.extend(
            LedgerRow(
                domain=domain.domain,
                phase=phases[p],
                energy_j=quantity(
                    value, min(energy.low[p], value), max(energy.high[p], value), domain.source
                ),
            )
            for p, value in zip(present, values, strict=True)
        )
    return tuple(rows)


def _adding_up(values: list[float], total: float) -> list[float]:
    """Move the rounding error of a sum into one of its terms, so that left-to-right addition is exact.

    Some term takes it: where one is too coarse (a tie that rounds the wrong way), another is finer.
    """
    error = total - sum(values)
    if error == 0.0:
        return values
    for index in sorted(range(len(values)), key=values.__getitem__, reverse=True):
        for nudge in range(-4, 5):
            moved = list(values)
            moved[index] = max(0.0, values[index] + error * (1 + nudge / 4))
            if sum(moved) == total:
                return moved
    return values


def idle_power(curve: EnergyCurve, window_ns: tuple[int, int], duration_ns: int) -> Quantity:
    """Return the mean power of a domain outside of the window, in watts; missing where too little is known.

    What was recorded before the window opened and after it closed counts by its length; not what is so close
    to the window that the sensor's readings hold some of it.
    """
    margin_ns = int(_reach_s(curve) * 1e9)
    sides = [
        (_seen_from(curve), window_ns[0] - margin_ns),
        (window_ns[1] + margin_ns, min(duration_ns, _seen_until(curve))),
    ]
    least_ns = max(LEAST_IDLE_REFRESHES * curve.refresh_s, LEAST_IDLE_S) * 1e9
    sides = [side for side in sides if side[1] - side[0] >= least_ns]
    if not sides:
        return Quantity.missing()
    starts, ends = (np.array(column, np.int64) for column in zip(*sides, strict=True))
    figures = curve.energy_between(starts, ends)
    seconds = float((ends - starts).sum()) * 1e-9
    return quantity(
        figures.value.sum() / seconds,
        figures.low.sum() / seconds,
        figures.high.sum() / seconds,
        curve.source,
    )


def _reach_s(curve: EnergyCurve) -> float:
    """Return how far around a moment the readings of a domain's sensors smear its power."""
    windows = [part.power.window_s for part in curve.parts if part.power is not None and not part.counted]
    return max([part.refresh_s for part in curve.parts] + windows)


def _seen_from(curve: EnergyCurve) -> int:
    return max(0, int(max(part.refreshes.at_s[0] for part in curve.parts) * 1e9))


def _seen_until(curve: EnergyCurve) -> int:
    return int(min(part.refreshes.at_s[-1] for part in curve.parts) * 1e9)


def idle_energy(
    power_w: Mapping[str, Quantity], totals: Mapping[str, Quantity], duration_s: float
) -> Quantity:
    """Return what the domains in the total would have drawn idle, over the window's time.

    Missing unless the idle power of every domain in the total is known: part of it would be no baseline.
    """
    known = [domain for domain, total in totals.items() if total.value is not None]
    if not known or any(power_w.get(d, Quantity.missing()).value is None for d in known):
        return Quantity.missing()
    return total_quantity({d: _times(power_w[d], duration_s) for d in known})


def _times(power_w: Quantity, duration_s: float) -> Quantity:
    value = float(power_w.value or 0.0)
    low, high = (value if bound is None else bound for bound in (power_w.low, power_w.high))
    return quantity(value * duration_s, low * duration_s, high * duration_s, power_w.source)


def above_idle(total: Quantity, idle: Quantity) -> Quantity:
    """Return total less idle energy, its bounds the widest that the two allow.

    Missing where a model is in both and shows the host as busy outside of the window as in it: what is then
    left of the difference is rounding.
    """
    if total.value is None or idle.value is None or _same_by_model(total, idle):
        return Quantity.missing()
    low = (total.low if total.low is not None else total.value) - (
        idle.high if idle.high is not None else idle.value
    )
    high = (total.high if total.high is not None else total.value) - (
        idle.low if idle.low is not None else idle.value
    )
    source = max((total.source, idle.source), key=tuple(Provenance).index)
    return quantity(total.value - idle.value, low, high, source)


def _same_by_model(total: Quantity, idle: Quantity) -> bool:
    modelled = total.source is idle.source is Provenance.ESTIMATED
    least_j = LEAST_MODELLED_SHARE * (total.value or 0.0)
    return modelled and (total.value or 0.0) - (idle.value or 0.0) <= least_j
