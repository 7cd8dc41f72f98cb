"""Flags about what the sensors can resolve: short windows, short steps, phases that cannot be told apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from energyprof.analysis.arrays import seconds
from energyprof.analysis.findings import Findings
from energyprof.analysis.sampling_error import sampling_error
from energyprof.analysis.sensor_regression import LEAST_RESOLVED, poorly_resolved
from energyprof.record.model import Flag, Provenance, Severity
from energyprof.units import format_duration, format_power

__all__ = ["aliasing", "ill_conditioned", "sensor_delay", "steps_shorter_than_refresh", "window_too_short"]

LEAST_REFRESHES: Final = 10
TOLD_DELAY_S: Final = 3e-3
LEAST_SHARE: Final = 0.01  # phases shorter than this share of the run are not complained about


def window_too_short(findings: Findings) -> Iterator[Flag]:
    """Warn where a sensor refreshed too few times in the window."""
    for name, domain in findings.attribution.known.items():
        refresh_s = domain.curve.refresh_s
        if findings.seconds < LEAST_REFRESHES * refresh_s:
            yield Flag(
                code="window-too-short",
                severity=Severity.WARNING,
                message=f"The window of {format_duration(findings.seconds)} holds "
                f"{findings.seconds / refresh_s:.1f} refreshes of the {name} sensor: its energy is known "
                "only within wide bounds.",
                advice=f"Measure for at least {format_duration(LEAST_REFRESHES * refresh_s)}.",
                value=findings.seconds / refresh_s,
            )


def aliasing(findings: Findings) -> Iterator[Flag]:
    """Say that a power sensor without a counter sees only part of the time."""
    for name, domain in findings.attribution.known.items():
        for part in domain.curve.parts:
            if domain.curve.source is not Provenance.SAMPLED or part.power is None:
                continue
            error = sampling_error(part.power, findings.trace.window_ns)
            if error is None:
                continue
            yield Flag(
                code="aliasing",
                severity=Severity.WARNING,
                message=f"{name} has no counter, and its power readings see {error.seen:.0%} of the time: "
                f"the energy is known to ±{error.relative:.1%} if steps do not keep step with the sensor, "
                "else only within its bounds.",
                advice="Use steps of irregular length (--dither), or a device with an energy counter.",
                value=error.relative,
            )


def ill_conditioned(findings: Findings) -> Iterator[Flag]:
    """Say that phases cannot be told apart, because they always take the same share of a refresh."""
    for name, domain in findings.attribution.known.items():
        for model in domain.models:
            spent = model.powers.seconds
            counts = spent > LEAST_SHARE * spent.sum()
            vague = np.flatnonzero(counts & (model.powers.resolved < LEAST_RESOLVED))
            if counts.sum() < 2 or not len(vague):
                continue
            phases = [domain.segments.phases[p] for p in vague]
            widest = float(model.powers.half_width_w[vague].max())
            yield Flag(
                code="ill-conditioned",
                severity=Severity.WARNING,
                message=f"The {name} sensor cannot tell apart {_some(phases)}: in each of its "
                f"{format_duration(domain.curve.refresh_s)} refreshes they take nearly the same time "
                f"(condition number {model.powers.condition:.0f}). Their power is known to "
                f"±{format_power(widest)} only.",
                advice="Use --dither, or another batch size: steps must not be locked to the refresh.",
                value=model.powers.condition,
            )


def sensor_delay(findings: Findings) -> Iterator[Flag]:
    """Say that a sensor tells of the work later or earlier than the marks do."""
    for name, domain in findings.attribution.known.items():
        for model in domain.models:
            delay_s = model.powers.delay_s
            if abs(delay_s) < TOLD_DELAY_S or poorly_resolved(model.powers):
                continue
            way = "later" if delay_s < 0 else "earlier"
            yield Flag(
                code="sensor-delay",
                severity=Severity.INFO,
                message=f"By the {name} sensor the work is {format_duration(abs(delay_s))} {way} than the "
                "marks say; the modelled figures allow for it.",
                advice="A device that runs behind the host does that: time the marks on the device.",
                value=delay_s,
            )


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more phases" if len(names) > 4 else "")


def steps_shorter_than_refresh(findings: Findings) -> Iterator[Flag]:
    """Say how the energy of a step is to be read where steps are shorter than the sensor's refresh."""
    steps = findings.attribution.steps
    if not len(steps):
        return
    usual = float(np.median(seconds(steps.end_ns - steps.start_ns)))
    slow = {n: d for n, d in findings.attribution.known.items() if usual < d.curve.refresh_s}
    for name, domain in slow.items():
        how = (
            "the modelled figure resolves them by regression, with a 95 % interval; the bounds are certain"
            if domain.models
            else "a single step's energy is certain only within its bounds"
        )
        yield Flag(
            code="steps-shorter-than-refresh",
            severity=Severity.INFO,
            message=f"Steps take {format_duration(usual)}, the {name} sensor refreshes every "
            f"{format_duration(domain.curve.refresh_s)}: {how}.",
            value=usual / domain.curve.refresh_s,
        )
