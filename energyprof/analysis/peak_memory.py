"""Peak memory: the most that was read in the window, and whose memory it is.

A program's own peak on a device is told by it, or by its allocator's high-water mark. The driver knows only
what is in use on the whole card, the card's reserve and other programs included: that is no figure of a run
which trained on the CPU, and in every other run it is named for what it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from energyprof.analysis.domains import domain_kind
from energyprof.analysis.findings import Findings, in_window
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Flag, Report, Severity
from energyprof.record.trace import Channel, Trace

__all__ = ["is_of_whole_card", "peak_device_memory", "peak_host_memory", "whole_card_memory"]

FIELD: Final = "totals.peak_device_memory_bytes"
WHOLE_CARD: Final = "whole-card-memory"


def peak_host_memory(trace: Trace) -> int | None:
    """Return the most memory of the process on the host, in bytes; None where it was not read."""
    return _highest(_read(trace, "host"), trace)


def peak_device_memory(trace: Trace, device: str | None, told: int | None) -> int | None:
    """Return the most memory on the device in the window, in bytes; of several devices, the worst.

    Args:
        trace: what was recorded.
        device: what training ran on; None: nobody told. On ``cpu`` there is no device memory, whatever a card
            beside it holds and whatever an earlier report says.
        told: the peak as the training code told it, which goes first.
    """
    if device == "cpu":
        return None
    return _highest(_read(trace, "gpu"), trace) if told is None else told


def whole_card_memory(findings: Findings) -> Iterator[Flag]:
    """Say where the peak on the device is the driver's figure: the whole card's, not the run's own."""
    peak_bytes = findings.report.totals.peak_device_memory_bytes
    read = _read(findings.trace, "gpu")
    if peak_bytes is None or _marks(read) or peak_bytes != _highest(read, findings.trace):
        return
    yield Flag(
        code=WHOLE_CARD,
        severity=Severity.INFO,
        message="The peak memory on the device is what its driver had in use on the whole card: its own "
        "reserve and other programs are in it, and neither the run nor torch told a peak of its own.",
        advice="Import torch before the profiler starts, or call account(peak_device_memory_bytes=...).",
        field=FIELD,
    )


def is_of_whole_card(report: Report) -> bool:
    """Tell whether a report's peak on the device is the whole card's."""
    return any(flag.code == WHOLE_CARD for flag in report.flags)


def _read(trace: Trace, kind: str) -> list[Channel]:
    memory = (channel for channel in trace.channels if channel.kind is ChannelKind.MEMORY)
    return [channel for channel in memory if domain_kind(channel.domain) == kind and len(channel.value)]


def _marks(read: list[Channel]) -> list[Channel]:
    return [channel for channel in read if channel.name.endswith("/memory_peak")]


def _highest(read: list[Channel], trace: Trace) -> int | None:
    """Return the highest reading; where high-water marks were read they go before what was seen."""
    peaks = [float(in_window(channel, trace.window_ns).max()) for channel in _marks(read) or read]
    return round(max(peaks)) if peaks else None
