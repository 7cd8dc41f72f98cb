"""A hardware energy counter made continuous: resets undone and told, standing still noticed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["CounterValue", "EnergyCounter"]

_FROZEN_AFTER_NS: Final = 2_000_000_000
_FROZEN_REFRESHES: Final = 20
_DRAWING_W: Final = 5.0  # no card draws less with its driver loaded and its counter at rest
_REPEAT_NS: Final = 900_000_000


@dataclass(frozen=True, slots=True)
class CounterValue:
    """A reading made continuous.

    Attributes:
        energy_j: joules since the first reading; never falls. None: nothing new is to be told.
        gap: whether what the counter would have shown since it last moved is lost.
        reason: why, in words.
    """

    energy_j: float | None
    gap: bool = False
    reason: str | None = None


class EnergyCounter:
    """The state of one counter between readings. Raw values are integers of ``unit_j``."""

    def __init__(self, refresh_ns: int, unit_j: float = 1e-3) -> None:
        """Expect it to move every ``refresh_ns`` while power is drawn."""
        self._frozen_after_ns = max(_FROZEN_AFTER_NS, _FROZEN_REFRESHES * refresh_ns)
        self._unit_j = unit_j
        self._total = 0
        self._raw: int | None = None
        self._moved_ns = 0
        self._told_ns = 0
        self._lost = False
        self.frozen = False

    def lose(self) -> None:
        """Say that continuity is lost: the driver was reloaded since the last reading."""
        self._lost = True

    def take(self, raw: int, now_ns: int, power_w: float | None) -> CounterValue:
        """Take in a reading.

        Args:
            raw: what the counter shows.
            now_ns: the monotonic time.
            power_w: what the power sensor shows, or None.
        """
        last, self._raw = self._raw, raw
        lost, self._lost = self._lost, False
        if last is None:
            self._moved_ns = now_ns
            return CounterValue(0.0)
        if raw == last and not lost:
            return self._stand(now_ns, power_w)
        self._moved_ns = now_ns
        was_frozen, self.frozen = self.frozen, False
        if lost or raw < last:
            return self._gap("the energy counter was reset: what it had counted since it last moved is lost")
        if was_frozen:
            return self._gap("the energy counter moves again")
        self._total += raw - last
        return CounterValue(self._total * self._unit_j)

    def _stand(self, now_ns: int, power_w: float | None) -> CounterValue:
        quiet_ns = now_ns - self._moved_ns
        drawing = power_w is not None and power_w >= _DRAWING_W
        self.frozen = self.frozen or (quiet_ns > self._frozen_after_ns and drawing)
        if not self.frozen:
            return CounterValue(self._total * self._unit_j)
        if now_ns - self._told_ns < _REPEAT_NS:
            return CounterValue(None)
        self._told_ns = now_ns
        return self._gap(
            "the energy counter does not move while power is drawn: power readings take its place"
        )

    def _gap(self, reason: str) -> CounterValue:
        return CounterValue(self._total * self._unit_j, gap=True, reason=reason)
