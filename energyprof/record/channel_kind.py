"""The kinds of what is read: part of every sensor's description and of the trace."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["ChannelKind"]


class ChannelKind(StrEnum):
    """What a channel's readings are."""

    ENERGY = "energy"  # cumulative joules since the first reading (wraps and resets already undone)
    POWER_INSTANT = "power_instant"  # watts over the sensor's short window
    POWER_AVERAGE = "power_average"  # watts averaged over the sensor's long window (1 s)
    MEMORY = "memory"  # bytes
    UTILISATION = "utilisation"  # fraction in [0, 1]
    TEMPERATURE = "temperature"  # degrees Celsius
    CLOCK = "clock"  # hertz
    STATE = "state"  # anything else: throttle reasons (bit mask), count of foreign processes
