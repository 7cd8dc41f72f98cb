"""Flags from the energy sensors themselves: gaps, resets, disagreement, counters that gave nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from energyprof.analysis.arrays import NS
from energyprof.analysis.findings import Findings
from energyprof.analysis.sampling_error import sampling_error
from energyprof.analysis.silence import silence_of
from energyprof.record.channel_kind import ChannelKind
from energyprof.record.model import Flag, Provenance, Severity
from energyprof.record.trace import Channel
from energyprof.units import format_duration, format_energy, format_power

__all__ = [
    "counter_power_gap",
    "counter_troubles",
    "domain_incomplete",
    "power_range_assumed",
    "power_range_broken",
    "sampling_gap",
]

GAP_SHARE: Final = 0.01
FILLED_IN: Final = "that energy is filled in from the power around it, and its bounds are wide"
POWER_WENT_ON: Final = "its power readings took its place, and the bounds are wide"
WENT_ON: Final = "its counter went on, so the total holds that energy, but not when it was used"
MOST_DISAGREEMENT: Final = 0.05
FROZEN_S: Final = 1.5  # a counter that stood still for longer did not merely start anew


def sampling_gap(findings: Findings) -> Iterator[Flag]:
    """Say how long a domain's sensor told nothing, and whether energy is lost with that or only its times."""
    window = (findings.trace.window_ns[0] * NS, findings.trace.window_ns[1] * NS)
    for name, domain in findings.attribution.known.items():
        modelled = domain.curve.source is Provenance.ESTIMATED
        silences = [silence_of(part, window, modelled=modelled) for part in domain.curve.parts]
        silence = max(silences, key=lambda found: found.total_s)
        if silence.total_s <= 0:
            continue
        share = silence.total_s / findings.seconds
        told = f"{format_duration(silence.total_s)} ({share:.1%} of the window)"
        what = (
            f"The energy counter of {name} told nothing for {told}: {POWER_WENT_ON}"
            if silence.powered_s > 0.5 * silence.total_s
            else f"{name} could not be read for {told}: {FILLED_IN if silence.lost_s > 0 else WENT_ON}"
        )
        yield Flag(
            code="sampling-gap",
            severity=Severity.WARNING if share > GAP_SHARE else Severity.INFO,
            message=f"{what}.",
            advice="See the sensor's failures in the report; run again if the share is large.",
            value=share,
        )


def counter_troubles(findings: Findings) -> Iterator[Flag]:
    """Say that a counter was reset, or stood still while power was drawn."""
    for channel in findings.channels(ChannelKind.ENERGY):
        frozen, resets = _breaks(channel, findings.trace.window_ns)
        if frozen > 0:
            yield Flag(
                code="counter-frozen",
                severity=Severity.WARNING,
                message=f"The energy counter of {channel.domain} stood still for {format_duration(frozen)} "
                "while power was drawn: power readings took its place.",
                advice="Reload the driver if it happens again.",
                value=frozen,
            )
        if resets:
            often = "once" if resets == 1 else f"{resets} times"
            yield Flag(
                code="counter-reset",
                severity=Severity.WARNING,
                message=f"The energy counter of {channel.domain} was reset {often}: what it had "
                "counted since its last refresh is filled in from the power around it.",
                advice="See whether the driver was reloaded during the run.",
                value=float(resets),
            )


def _breaks(channel: Channel, window_ns: tuple[int, int]) -> tuple[float, int]:
    """Return seconds frozen and the number of resets in the window, from the gaps of a counter."""
    frozen, resets, thawed = 0.0, 0, -1
    for start, stop in np.sort(channel.gap_ns, axis=0):
        if stop <= window_ns[0] or start >= window_ns[1] or stop > channel.t_ns[-1]:
            continue  # outside, or it never came back: then it is a gap in the sampling
        around = np.searchsorted(channel.t_ns, [start, stop], side="right") - 1
        stood = channel.value[max(around[0], 0)] == channel.value[around[1]]
        if stood and ((stop - start) * NS >= FROZEN_S or start == thawed):
            frozen += (min(stop, window_ns[1]) - max(start, window_ns[0])) * NS
            thawed = stop  # a freeze is told again and again: the next gap goes on where this one ends
        else:
            resets += 1
    return frozen, resets


def counter_power_gap(findings: Findings) -> Iterator[Flag]:
    """Warn where a counter and the integrated power of one device disagree."""
    for gap in findings.report.cross_check.counter_power:
        if abs(gap.relative_gap) > MOST_DISAGREEMENT + _chance(findings, gap.domain):
            yield Flag(
                code="counter-power-gap",
                severity=Severity.WARNING,
                message=f"The counter of {gap.domain} says {format_energy(gap.counter_j)}, its power "
                f"readings {format_energy(gap.integrated_j)} ({gap.relative_gap:+.1%}): one is wrong.",
                advice="Run 'energyprof calibrate'; until then compare only runs on this device.",
                value=gap.relative_gap,
            )


def _chance(findings: Findings, domain: str) -> float:
    """Return by how much power readings that do not see all the time may be off by chance, as a share."""
    found = findings.attribution.known.get(domain)
    errors = [
        error.relative
        for part in (found.curve.parts if found else ())
        if part.witness is not None and (error := sampling_error(part.witness, findings.trace.window_ns))
    ]
    return max(errors, default=0.0)


def domain_incomplete(findings: Findings) -> Iterator[Flag]:
    """Warn where one of several counters of a domain gave nothing: its energy is not in the domain's."""
    for name, domain in findings.attribution.known.items():
        if domain.curve.source is not Provenance.COUNTER:
            continue
        silent = [
            c.name
            for c in findings.trace.channels
            if c.domain == name and c.kind is ChannelKind.ENERGY and (c.value == c.value[:1]).all()
        ]
        if silent:
            yield Flag(
                code="domain-incomplete",
                severity=Severity.ERROR,
                message=f"{', '.join(silent)} gave no usable reading: that energy is not in {name}'s total.",
                advice="Run 'energyprof doctor' to see why.",
                field=f"totals.energy_by_domain_j.{name}",
            )


def power_range_broken(findings: Findings) -> Iterator[Flag]:
    """Warn where a device drew more or less than it is said to be able to."""
    for name, domain in findings.attribution.known.items():
        for part in domain.curve.parts:
            if part.limits == part.stated:
                continue
            stated = f"{format_power(part.stated.floor_w)} to {format_power(part.stated.ceiling_w)}"
            yield Flag(
                code="power-range-broken",
                severity=Severity.WARNING,
                message=f"{name} is said to draw {stated}, but its readings go beyond: bounds now allow "
                f"{format_power(part.limits.floor_w)} to {format_power(part.limits.ceiling_w)}.",
                advice="Run 'energyprof calibrate' to find out how this sensor behaves.",
                value=part.limits.ceiling_w,
            )


def power_range_assumed(findings: Findings) -> Iterator[Flag]:
    """Say that the highest power of a device is not known, so that bounds rest on an assumption."""
    for name, domain in findings.attribution.known.items():
        assumed = [part.limits.ceiling_w for part in domain.curve.parts if part.limits.assumed]
        if assumed:
            yield Flag(
                code="power-range-assumed",
                severity=Severity.INFO,
                message=f"The highest power of {name} is not known; bounds take it to be "
                f"{format_power(max(assumed))}, 1.5 times the most that was read.",
                value=max(assumed),
            )
