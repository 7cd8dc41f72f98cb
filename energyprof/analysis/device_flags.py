"""Flags from the state of the device: throttling, other processes, temperature, waiting for data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from energyprof.analysis.domains import domain_kind
from energyprof.analysis.findings import Findings, in_window, share_of_time
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Flag, Severity

__all__ = ["foreign_process", "input_bound", "temperature_drift", "throttled"]

#: bits of nvmlDeviceGetCurrentClocksThrottleReasons (nvml.h, nvmlClocksThrottleReasons)
REASONS: Final = {
    0x08: "hardware slowdown",
    0x20: "heat (software)",
    0x40: "heat (hardware)",
    0x80: "power brake",
}
POWER_CAP: Final = 0x04
CAPPED_SHARE: Final = 0.05
WARMER_C: Final = 10.0  # leakage makes a card draw a few percent more at the same work
BUSY: Final = 0.5
WAITING: Final = 0.2
DATA: Final = frozenset({"data", "data-wait", "data-loading", "dataloader", "loading"})


def throttled(findings: Findings) -> Iterator[Flag]:
    """Warn where the device lowered its clocks: then runs are not of one device."""
    for channel in findings.channels(ChannelKind.STATE, "/throttle_reasons"):
        bits = in_window(channel, findings.trace.window_ns).astype(np.int64)
        share = {name: float(((bits & bit) != 0).mean()) for bit, name in REASONS.items()}
        seen = {name: value for name, value in share.items() if value > 0}
        capped = float(((bits & POWER_CAP) != 0).mean())
        if seen:
            worst = max(seen.values())
            reasons = ", ".join(f"{name} in {value:.0%} of readings" for name, value in seen.items())
            yield Flag(
                code="throttled",
                severity=Severity.WARNING,
                message=f"{channel.domain} lowered its clocks: {reasons}.",
                advice="Cool the device or lower its clocks for all runs, and measure again.",
                value=worst,
            )
        elif capped > CAPPED_SHARE:
            yield Flag(
                code="throttled",
                severity=Severity.INFO,
                message=f"{channel.domain} ran at its power limit in {capped:.0%} of readings: "
                "the limit set its speed.",
                advice="Compare only with runs under the same power limit.",
                value=capped,
            )


def foreign_process(findings: Findings) -> Iterator[Flag]:
    """Warn where other processes used the device: their energy is in the figures."""
    for channel in findings.channels(ChannelKind.STATE, "/other_processes"):
        others = in_window(channel, findings.trace.window_ns)
        if others.max() > 0:
            share = float((others > 0).mean())
            yield Flag(
                code="foreign-process",
                severity=Severity.WARNING,
                message=f"Up to {others.max():.0f} other process(es) used {channel.domain}, in {share:.0%} "
                "of readings: their energy is in the figures.",
                advice="Measure again with the device to yourself.",
                value=share,
            )


def temperature_drift(findings: Findings) -> Iterator[Flag]:
    """Say that the device became warmer or cooler: its power at the same work changes with it."""
    for channel in findings.channels(ChannelKind.TEMPERATURE):
        degrees = in_window(channel, findings.trace.window_ns)
        fifth = max(len(degrees) // 5, 1)
        change = float(np.median(degrees[-fifth:]) - np.median(degrees[:fifth]))
        if abs(change) >= WARMER_C:
            yield Flag(
                code="temperature-drift",
                severity=Severity.WARNING,
                message=f"{channel.domain} went from {np.median(degrees[:fifth]):.0f} to "
                f"{np.median(degrees[-fifth:]):.0f} degrees C during the run.",
                advice="Warm the device up before the window opens, or interleave the runs that you compare.",
                value=change,
            )


def input_bound(findings: Findings) -> Iterator[Flag]:
    """Warn where the device waits for data: then the figures say more of the input than of the algorithm."""
    channels = findings.channels(ChannelKind.UTILISATION)
    devices = [c for c in channels if domain_kind(c.domain) == "gpu"] or channels
    _, waiting = share_of_time(findings, DATA)
    if not devices or waiting < WAITING:
        return
    busy = float(np.mean([in_window(c, findings.trace.window_ns).mean() for c in devices]))
    if busy < BUSY:
        yield Flag(
            code="input-bound",
            severity=Severity.WARNING,
            message=f"The device was busy {busy:.0%} of the time, and {waiting:.0%} of the time went into "
            "waiting for data: time and energy are the input's more than the algorithm's.",
            advice="Keep the data on the device, or load it faster, before you compare algorithms.",
            value=busy,
        )
