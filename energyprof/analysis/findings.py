"""What flags are made from, and small measures that several of them need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from energyprof.analysis.arrays import NS, Floats
from energyprof.analysis.attribution import Attribution
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import PhaseEnergy, Report
from energyprof.record.trace import Channel, Trace

__all__ = ["Findings", "in_window", "is_named", "share_of_time"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """A run, its energy attributed, and its report as far as it is filled in."""

    trace: Trace
    attribution: Attribution
    report: Report

    @property
    def seconds(self) -> float:
        """Return how long the window is."""
        return (self.trace.window_ns[1] - self.trace.window_ns[0]) * NS

    def channels(self, kind: ChannelKind, ending: str = "") -> list[Channel]:
        """Return the channels of a kind, with a name of this ending, that were read at all."""
        return [c for c in self.trace.channels if c.kind is kind and c.name.endswith(ending) and len(c.value)]


def in_window(channel: Channel, window_ns: tuple[int, int]) -> Floats:
    """Return the readings that were current in the window: those inside and the last one before it opened."""
    first = max(int(np.searchsorted(channel.t_ns, window_ns[0], side="right")) - 1, 0)
    last = int(np.searchsorted(channel.t_ns, window_ns[1], side="right"))
    return channel.value[first : max(last, first + 1)]


def is_named(phase: PhaseEnergy, names: frozenset[str]) -> bool:
    """Tell whether a phase has one of these names anywhere in its path."""
    return not names.isdisjoint(phase.name.lower().replace("_", "-").split("/"))


def share_of_time(findings: Findings, names: frozenset[str]) -> tuple[float, float]:
    """Return seconds and share of the window in phases with one of these names anywhere in their path."""
    spent = sum(phase.seconds for phase in findings.report.phases if is_named(phase, names))
    return spent, spent / findings.seconds if findings.seconds > 0 else 0.0
