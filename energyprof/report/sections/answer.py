"""The answer strip: the six figures that a reader came for, each with its bounds and its provenance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from energyprof.record.model import Provenance, Quantity, Report, Severity
from energyprof.report.carbon_lines import carbon_shares, intensity_text
from energyprof.report.memory_line import leading_peak
from energyprof.report.words import (
    counted,
    estimated_text,
    half_width,
    kwh_text,
    percent,
    quantity_text,
    range_text,
    reason_for,
)
from energyprof.units import (
    format_bytes,
    format_duration,
    format_energy,
    format_mass,
    format_power,
)

__all__ = ["Answer", "answers_of", "lead_of"]

_NOTHING: Final = 0.01  # per cent
_NO_TIME: Final = 0.0005  # as a share: told as nothing
_LOPSIDED: Final = 0.1  # a value so far from the middle of its bounds is told with both sides


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One figure of the strip.

    Attributes:
        title: what it is.
        figure: number and unit, or None where it is missing.
        absent: what to say instead where it is missing.
        notes: short lines under it.
        source: its provenance, where it has one.
        span: left, width and mark of the bar of its bounds, in per cent, or None.
    """

    title: str
    figure: tuple[str, str] | None
    absent: str = "not known"
    notes: tuple[str, ...] = ()
    source: Provenance | None = None
    span: tuple[float, float, float] | None = None


def answers_of(report: Report) -> list[Answer]:
    """Build the six figures of a run."""
    return [
        _energy(report),
        _per_sample(report),
        _to_target(report),
        _duration(report),
        _memory(report),
        _carbon(report),
    ]


def lead_of(report: Report) -> str:
    """Say in one or two plain sentences what ran and what it took."""
    totals, lasted = report.totals, format_duration(report.totals.duration_s)
    did = f"ran {counted(totals.steps, 'step')} in" if totals.steps else "ran for"
    text = f"{_subject(report)} {did} {lasted}"
    energy = totals.energy_j
    if energy.value is None:
        why = reason_for(report, "totals.energy_j", "no sensor gave joules")
        return f"{text}{_reached(report)}. Its energy is not known: {why}."
    text += f" and took {format_energy(energy.value)}{_reached(report)}."
    return " ".join(filter(None, (text, _unread(report), estimated_text([report]))))


def _subject(report: Report) -> str:
    work = report.workload
    named = f"{work.algo or 'a loop'} on {work.dataset}" if work.dataset else work.algo or "a program"
    if _is_part(report):
        return f"This part of a resumed run, {named},"
    return named if work.algo else named.replace("a ", "A ", 1)


def _is_part(report: Report) -> bool:
    return any(flag.code == "part-of-run" for flag in report.flags)


def _unread(report: Report) -> str:
    """Say for how much of the time an energy sensor was silent, where a check warns of it."""
    gaps = (
        flag for flag in report.flags if flag.code == "sampling-gap" and flag.severity is not Severity.INFO
    )
    share = max((flag.value or 0.0 for flag in gaps), default=0.0)
    return f"For {percent(share)} of the time an energy sensor could not be read." if share > _NO_TIME else ""


def _reached(report: Report) -> str:
    quality = report.quality
    if quality.test_accuracy is not None:
        return f", reaching {percent(quality.test_accuracy)} test accuracy"
    if quality.validation_accuracy is not None:
        return f", reaching {percent(quality.validation_accuracy)} validation accuracy"
    return ""


def _energy(report: Report) -> Answer:
    energy = report.totals.energy_j
    notes = [_bounds_note(energy)]
    if energy.value is not None:
        mean = report.totals.mean_power_w
        notes.append(
            kwh_text(energy.value) + (f" · {format_power(mean)} on average" if mean is not None else "")
        )
    return Answer(
        title="Energy",
        figure=_split(quantity_text(energy)) if energy.value is not None else None,
        absent=reason_for(report, "totals.energy_j", "not known"),
        notes=tuple(note for note in notes if note),
        source=energy.source,
        span=_span(energy),
    )


def _per_sample(report: Report) -> Answer:
    quantity = report.totals.energy_per_sample_j
    samples = report.totals.samples
    notes = [_bounds_note(quantity)]
    if samples:
        notes.append(f"over {counted(samples, 'training sample')}")
    return Answer(
        title="Energy a sample",
        figure=_split(quantity_text(quantity)) if quantity.value is not None else None,
        absent=reason_for(report, "totals.energy_per_sample_j", "samples were not counted"),
        notes=tuple(note for note in notes if note),
        source=quantity.source if quantity.value is not None else None,
    )


def _to_target(report: Report) -> Answer:
    """Energy to the target that the run was given; without one, to its best validation accuracy."""
    target = report.workload.protocol.get("target_accuracy")
    scored = [e for e in report.epochs if e.validation_accuracy is not None]
    if isinstance(target, int | float):
        title = f"Energy to {percent(float(target))} accuracy"
        hit = next((e for e in scored if (e.validation_accuracy or 0.0) >= target), None)
        best = max((e.validation_accuracy or 0.0 for e in scored), default=None)
        if best is None:
            return Answer(title=title, figure=None, absent="no accuracy logged")
        if hit is None:
            return Answer(
                title=title, figure=None, absent="not reached", notes=(f"best was {percent(best, 2)}",)
            )
        if hit.cumulative_energy_j is None:
            return Answer(title=title, figure=None, notes=(f"reached in {_at(hit.index, hit.end_s)}",))
        return Answer(
            title=title,
            figure=_split(format_energy(hit.cumulative_energy_j)),
            notes=(_at(hit.index, hit.end_s), *_of_part(report)),
        )
    title = "Energy to best accuracy"
    if not scored:
        return Answer(title=title, figure=None, absent="no accuracy logged", notes=("no target was set",))
    top = max(scored, key=lambda e: e.validation_accuracy or 0.0)
    if top.cumulative_energy_j is None:
        return Answer(
            title=title,
            figure=None,
            absent="not known",
            notes=(f"best was {percent(top.validation_accuracy)}",),
        )
    note = f"{percent(top.validation_accuracy)} validation, {_at(top.index, top.end_s)}"
    return Answer(
        title=title,
        figure=_split(format_energy(top.cumulative_energy_j)),
        notes=(note, *_of_part(report), "no target was set"),
    )


def _of_part(report: Report) -> tuple[str, ...]:
    return ("without what came before this part",) if _is_part(report) else ()


def _at(index: int, end_s: float) -> str:
    return f"epoch {index + 1}, after {format_duration(end_s)}"


def _duration(report: Report) -> Answer:
    totals = report.totals
    notes = [counted(totals.steps, "step")]
    if totals.steps and report.steps.duration_s.p50 is not None:
        notes[0] += f", median {format_duration(report.steps.duration_s.p50)}"
    if totals.samples and totals.duration_s:
        notes.append(_rate(totals.samples / totals.duration_s))
    return Answer(title="Time", figure=_split(format_duration(totals.duration_s)), notes=tuple(notes))


def _rate(samples_per_s: float) -> str:
    """Render a throughput; a slow one keeps two digits, so that it is not 0."""
    shown = round(samples_per_s) if samples_per_s >= 10 else float(f"{samples_per_s:.2g}")
    return f"{counted(shown, 'sample')} a second"


def _memory(report: Report) -> Answer:
    peak, host = leading_peak(report), report.totals.peak_host_memory_bytes
    if peak is None:
        return Answer(title="Peak memory", figure=None, absent="not recorded")
    size, where = peak
    on_device = report.totals.peak_device_memory_bytes is not None
    beside = (f"host {format_bytes(host)}",) if host is not None and on_device else ()
    return Answer(title="Peak memory", figure=_split(format_bytes(size)), notes=(where, *beside))


def _carbon(report: Report) -> Answer:
    mass, carbon = report.totals.co2e_kg, report.carbon
    if mass is None:
        return Answer(title="CO₂e", figure=None, absent=reason_for(report, "totals.co2e_kg", "not known"))
    notes = []
    if carbon.intensity_g_per_kwh is not None:
        notes.append(intensity_text(carbon.intensity_g_per_kwh))
    if carbon.source:
        notes.append(carbon.source)
    if carbon.assumed:
        notes.append("assumed: nobody named a place")
    shares = [f"{share.title} {format_mass(share.mass_kg)}" for share in carbon_shares(report)]
    if shares:
        notes.append(f"beside it: {', '.join(shares)}")
    return Answer(
        title="CO₂e",
        figure=_split(format_mass(mass)),
        notes=tuple(notes),
        source=report.totals.energy_j.source,
    )


def _bounds_note(quantity: Quantity) -> str:
    text, half = range_text(quantity), half_width(quantity)
    if not text or not half:
        return "bounds closer than shown" if half else ""
    value, low, high = quantity.value or 0.0, quantity.low or 0.0, quantity.high or 0.0
    below, above = (value - low) / abs(value), (high - value) / abs(value)
    if abs(below - above) <= _LOPSIDED * (below + above):
        return f"{text} (±{_short(100 * half)} %)"
    return f"{text} (−{_short(100 * below)} %, +{_short(100 * above)} %)"


def _short(value: float) -> str:
    if value < _NOTHING:
        return "0"
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 0.1 else f"{value:.2g}"


def _split(text: str) -> tuple[str, str]:
    """Split ``1.83 kJ`` into number and unit; a text of more than two words stays whole."""
    number, _, unit = text.partition(" ")
    return (number, unit) if unit and " " not in unit else (text, "")


def _span(quantity: Quantity) -> tuple[float, float, float] | None:
    """Return the bar of wide bounds; close ones need no picture."""
    if quantity.value is None or quantity.low is None or quantity.high is None or quantity.high <= 0:
        return None
    if (half_width(quantity) or 0.0) < 0.02:
        return None
    full = quantity.high * 1.08
    return tuple(
        round(100 * v / full, 2) for v in (quantity.low, quantity.high - quantity.low, quantity.value)
    )  # type: ignore[return-value]
