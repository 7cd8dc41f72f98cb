"""A hardware energy counter made continuous: resets and jumps undone and told, standing still noticed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

__all__ = ["CounterValue", "EnergyCounter"]

_FROZEN_AFTER_NS: Final = 2_000_000_000
_FROZEN_REFRESHES: Final = 20
_DRAWING_W: Final = 5.0  # no card draws less with its driver loaded
_REPEAT_NS: Final = 900_000_000  # a gap that goes on is told about once a second
_JUMP_FACTOR: Final = 3.0  # how much faster than at its ceiling a card can be thought to draw
_FROZEN: Final = "the energy counter does not move while power is drawn: power readings take its place"
_MOVES_AGAIN: Final = "the energy counter moves again"
_RESET: Final = "the energy counter was reset: what it had counted since it last moved is lost"
_JUMP: Final = "the energy counter jumped by more than the card can draw: the jump is not counted"


@dataclass(frozen=True, slots=True)
class CounterValue:
    """A reading made continuous.

    Attributes:
        energy_j: joules since the first reading; never falls. NaN while the counter stands still although
            power is drawn; None where there is nothing new to tell.
        gap: whether what was drawn since the counter last moved is not known from it.
        reason: why, in words.
    """

    energy_j: float | None
    gap: bool = False
    reason: str | None = None


class EnergyCounter:
    """The state of one counter between readings. Raw values are integers of ``unit_j``."""

    def __init__(self, refresh_ns: int, unit_j: float = 1e-3, ceiling_w: float | None = None) -> None:
        """Expect it to move every ``refresh_ns``, and by no more than ``ceiling_w`` can explain."""
        self._frozen_after_ns = max(_FROZEN_AFTER_NS, _FROZEN_REFRESHES * refresh_ns)
        self._refresh_ns, self._unit_j, self._ceiling_w = refresh_ns, unit_j, ceiling_w
        self._total = 0
        self._raw: int | None = None
        self._moved_ns = 0
        self._told_ns = 0
        self._reloaded = False
        self._frozen = False

    def reload(self) -> None:
        """Say that the driver was reloaded since the last reading: the counter may have begun anew."""
        self._reloaded = True

    def take(self, raw: int, now_ns: int, power_w: float | None) -> CounterValue:
        """Take in a reading.

        Args:
            raw: what the counter shows.
            now_ns: the monotonic time.
            power_w: what the power sensor shows, or None.
        """
        last, self._raw = self._raw, raw
        reloaded, self._reloaded = self._reloaded, False
        if last is None:
            self._moved_ns = now_ns
            return CounterValue(0.0)
        if raw == last:
            return self._stand(now_ns, power_w)
        broken = self._break(last, raw, now_ns, reloaded=reloaded)
        most = self._most(now_ns)
        self._moved_ns, self._frozen = now_ns, False
        if broken is None:
            self._total += raw - last
        elif most is None or raw <= most:
            self._total += raw  # what it has counted since it began anew was drawn at any rate
        if broken is not None:
            return self._gap(broken)
        return CounterValue(self._total * self._unit_j)

    def _break(self, last: int, raw: int, now_ns: int, *, reloaded: bool) -> str | None:
        """Say why a change of the raw value is not the energy drawn meanwhile, or None where it is."""
        if raw < last:
            return _RESET
        if self._frozen:
            return _MOVES_AGAIN
        most = self._most(now_ns)
        if most is not None and raw - last > most:
            return _JUMP
        if reloaded and (most is None or last <= most):
            return _RESET  # it may have begun at 0 and passed its old value
        return None

    def _most(self, now_ns: int) -> float | None:
        """Return by how much the counter can have moved since it last did, or None if not known."""
        if self._ceiling_w is None:
            return None
        span_s = (now_ns - self._moved_ns + 2 * self._refresh_ns) / 1e9
        return _JUMP_FACTOR * self._ceiling_w * span_s / self._unit_j

    def _stand(self, now_ns: int, power_w: float | None) -> CounterValue:
        drawing = power_w is not None and power_w >= _DRAWING_W
        self._frozen = self._frozen or (drawing and now_ns - self._moved_ns > self._frozen_after_ns)
        if not self._frozen:
            return CounterValue(self._total * self._unit_j)
        if now_ns - self._told_ns < _REPEAT_NS:
            return CounterValue(None)
        self._told_ns = now_ns
        return CounterValue(math.nan, gap=True, reason=_FROZEN)

    def _gap(self, reason: str) -> CounterValue:
        return CounterValue(self._total * self._unit_j, gap=True, reason=reason)
