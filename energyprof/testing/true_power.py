"""True power over time, piecewise constant, with the exact energy between any two instants.

Kept in integer milliwatts and nanoseconds, so that energies are exact integers of picojoules: what a stand-in
sensor reports can be compared with truth to the last digit.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from energyprof.errors import UsageError

__all__ = ["PJ_PER_J", "TruePower"]

PJ_PER_J = 10**12
_INT64_MAX = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class TruePower:
    """Power of one domain over time.

    Attributes:
        start_ns: where each segment starts, increasing.
        power_mw: power in each segment; the last one goes on for ever, unless it repeats.
        end_ns: where the last segment ends; from there on, with ``repeat_from``, the schedule repeats.
        repeat_from: the first of the segments that repeat, or None.
        before_mw: power before the first segment.
    """

    start_ns: tuple[int, ...]
    power_mw: tuple[int, ...]
    end_ns: int
    repeat_from: int | None = None
    before_mw: int = 0

    def __post_init__(self) -> None:
        """Check that it is a schedule, and that its energy fits the shared block's 64 bits."""
        if not self.start_ns or len(self.start_ns) != len(self.power_mw):
            raise UsageError("a power schedule needs as many starts as powers, and one at least")
        edges = (*self.start_ns, self.end_ns)
        if any(later <= earlier for earlier, later in pairwise(edges)):
            raise UsageError("a power schedule's times must increase: give every segment a positive duration")
        if min(*self.power_mw, self.before_mw) < 0:
            raise UsageError("power cannot be negative: give every segment 0 W or more")
        if self._cumulative_pj[-1] > _INT64_MAX:
            raise UsageError("a power schedule cannot list more than 9.2 MJ: let it repeat instead")

    @classmethod
    def steady(cls, power_w: float) -> TruePower:
        """Return constant power, from the beginning of time."""
        return cls(start_ns=(0,), power_mw=(round(power_w * 1e3),), end_ns=1, before_mw=round(power_w * 1e3))

    @classmethod
    def of(
        cls,
        segments: Iterable[tuple[float, float]],
        *,
        start_ns: int,
        repeat_from: int | None = None,
        before_w: float = 0.0,
    ) -> TruePower:
        """Build a schedule of ``(duration_s, power_w)`` segments; power before it is ``before_w``."""
        parts = [(round(duration_s * 1e9), round(power_w * 1e3)) for duration_s, power_w in segments]
        edges = list(accumulate((duration_ns for duration_ns, _ in parts), initial=start_ns))
        return cls(
            start_ns=tuple(edges[:-1]),
            power_mw=tuple(power_mw for _, power_mw in parts),
            end_ns=edges[-1],
            repeat_from=repeat_from,
            before_mw=round(before_w * 1e3),
        )

    def then(self, at_ns: int, power_w: float) -> TruePower:
        """Return this schedule with constant power from a later time on.

        Raises:
            UsageError: if the schedule repeats, or has a segment that starts at or after that time.
        """
        if self.repeat_from is not None or at_ns <= self.start_ns[-1]:
            raise UsageError(
                "power can only be appended to a schedule that does not repeat, after its last edge"
            )
        return TruePower(
            start_ns=(*self.start_ns, at_ns),
            power_mw=(*self.power_mw, round(power_w * 1e3)),
            end_ns=at_ns + 1,
            before_mw=self.before_mw,
        )

    @cached_property
    def _cumulative_pj(self) -> tuple[int, ...]:
        edges = (*self.start_ns, self.end_ns)
        parts = (p * (b - a) for p, a, b in zip(self.power_mw, edges, edges[1:], strict=False))
        return tuple(accumulate(parts, initial=0))

    @property
    def cumulative_pj(self) -> tuple[int, ...]:
        """Return the energy from the first segment's start to each segment's start."""
        return self._cumulative_pj[:-1]

    def energy_pj(self, time_ns: int) -> int:
        """Return the exact energy from the first segment's start to a time (negative before it)."""
        turns_pj, time_ns = self._unrolled(time_ns)
        if time_ns < self.start_ns[0]:
            return self.before_mw * (time_ns - self.start_ns[0])
        k = bisect_right(self.start_ns, time_ns) - 1
        return turns_pj + self._cumulative_pj[k] + self.power_mw[k] * (time_ns - self.start_ns[k])

    def energy_j(self, t0_ns: int, t1_ns: int) -> float:
        """Return the energy between two instants, exact but for the last rounding to a float."""
        return (self.energy_pj(t1_ns) - self.energy_pj(t0_ns)) / PJ_PER_J

    def power_w(self, time_ns: int) -> float:
        """Return the power at an instant."""
        _, time_ns = self._unrolled(time_ns)
        if time_ns < self.start_ns[0]:
            return self.before_mw / 1e3
        return self.power_mw[bisect_right(self.start_ns, time_ns) - 1] / 1e3

    def energies_j(self, t0_ns: NDArray[np.int64], t1_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the energy between (n,) pairs of instants, joules."""
        energy_pj = {t: self.energy_pj(t) for t in {*t0_ns.tolist(), *t1_ns.tolist()}}
        pairs = zip(t0_ns.tolist(), t1_ns.tolist(), strict=True)
        return np.array([(energy_pj[t1] - energy_pj[t0]) / PJ_PER_J for t0, t1 in pairs], np.float64)

    def _unrolled(self, time_ns: int) -> tuple[int, int]:
        """Return the energy of the whole periods before a time, and the time within the listed ones."""
        if self.repeat_from is None or time_ns < self.end_ns:
            return 0, time_ns
        first_ns = self.start_ns[self.repeat_from]
        turns, into_ns = divmod(time_ns - first_ns, self.end_ns - first_ns)
        return turns * (self._cumulative_pj[-1] - self._cumulative_pj[self.repeat_from]), first_ns + into_ns
