"""The figures that a budget can limit: what each is, in which unit, on which scale, and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from energyprof.errors import UnknownName
from energyprof.record.model import PhaseEnergy, Provenance, Quantity, Report

__all__ = ["FAMILIES", "METRICS", "TARGET_METRICS", "Metric", "Reading", "metric_named"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One figure of one run.

    Attributes:
        low: lower bound that its sensor guarantees, or None.
        high: upper bound, or None.
        estimated: True where joules come from a model, not from a measurement.
        place: of a value that none can be, the file and line where it stands.
    """

    value: float
    low: float | None = None
    high: float | None = None
    estimated: bool = False
    place: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A figure of a run.

    Attributes:
        dimension: of its canonical unit, see :func:`energyprof.units.parse_quantity`; ``count`` has none.
        log: whether it is compared as a logarithm (a positive ratio scale) or as it is (accuracies).
        lower_is_better: which way a regression goes.
        energy: whether it is made of joules, and so not enforced where these are estimated.
        exact: whether it may be declared deterministic.
        deterministic: whether it is, unless a budget says otherwise.
        read: takes it from a report; None where the run does not have it.
    """

    name: str
    meaning: str
    dimension: str
    read: Callable[[Report], Reading | None]
    log: bool = True
    lower_is_better: bool = True
    energy: bool = False
    exact: bool = False
    deterministic: bool = False

    def fits(self, value: float) -> bool:
        """Tell whether it can have that value: above zero, or for an accuracy from 0 to 1."""
        return value > 0 if self.log else 0 <= value <= 1

    @property
    def is_accuracy(self) -> bool:
        """Tell whether it is a fraction of right answers, in [0, 1]."""
        return not self.log


def metric_named(name: str) -> Metric:
    """Return the metric of that name; a family's member, such as ``phase_energy_j.train``, is made for it.

    Raises:
        UnknownName: there is none; the message names the nearest.
    """
    if name in METRICS:
        return METRICS[name]
    family, dot, member = name.partition(".")
    if dot and member and family in FAMILIES:
        return FAMILIES[family](member)
    known = (*METRICS, *(f"{family}.<name>" for family in FAMILIES))
    raise UnknownName("metric", name, known)


def _quantity(quantity: Quantity | None) -> Reading | None:
    if quantity is None or quantity.value is None:
        return None
    estimated = quantity.source is Provenance.ESTIMATED
    return Reading(value=quantity.value, low=quantity.low, high=quantity.high, estimated=estimated)


def _plain(value: float | None, estimated: bool = False) -> Reading | None:
    return None if value is None else Reading(value=float(value), estimated=estimated)


def _ratio(value: float | None, by: float | None) -> Reading | None:
    return None if value is None or not by else Reading(value=value / by)


def _phase(report: Report, name: str) -> PhaseEnergy | None:
    return next((phase for phase in report.phases if phase.name == name), None)


def _phase_energy(name: str) -> Metric:
    def read(report: Report) -> Reading | None:
        phase = _phase(report, name)
        return _quantity(phase.energy_j) if phase else None

    return _joules(f"phase_energy_j.{name}", f"energy of the phase '{name}'", read)


def _phase_time(name: str) -> Metric:
    def read(report: Report) -> Reading | None:
        phase = _phase(report, name)
        return _plain(phase.seconds) if phase else None

    return Metric(name=f"phase_s.{name}", meaning=f"time in the phase '{name}'", dimension="s", read=read)


def _domain_energy(name: str) -> Metric:
    return _joules(
        f"domain_energy_j.{name}",
        f"energy of the domain '{name}'",
        lambda report: _quantity(report.totals.energy_by_domain_j.get(name)),
    )


def _joules(
    name: str, meaning: str, read: Callable[[Report], Reading | None], dimension: str = "J"
) -> Metric:
    return Metric(name=name, meaning=meaning, dimension=dimension, read=read, energy=True)


def _exact(name: str, meaning: str, dimension: str, read: Callable[[Report], float | None]) -> Metric:
    return Metric(
        name=name,
        meaning=meaning,
        dimension=dimension,
        read=lambda report: _plain(read(report)),
        exact=True,
        deterministic=True,
    )


def _memory(name: str, meaning: str, read: Callable[[Report], float | None], exact: bool) -> Metric:
    return Metric(
        name=name, meaning=meaning, dimension="B", read=lambda report: _plain(read(report)), exact=exact
    )


def _accuracy(name: str, meaning: str) -> Metric:
    return Metric(
        name=name,
        meaning=meaning,
        dimension="fraction",
        read=lambda report: _plain(getattr(report.quality, name)),
        log=False,
        lower_is_better=False,
    )


def _loss(name: str, meaning: str) -> Metric:
    return Metric(
        name=name,
        meaning=meaning,
        dimension="count",
        read=lambda report: _plain(getattr(report.quality, name)),
    )


def _is_estimated(report: Report) -> bool:
    return report.totals.energy_j.source is Provenance.ESTIMATED


def _absent(_report: Report) -> None:
    """Return nothing: figures that need a target are worked out where the target is known."""


def _by_name(metrics: Iterable[Metric]) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


#: What needs a target: ``[budget.target]``; read by :mod:`energyprof.gate.target`.
TARGET_METRICS: Final = _by_name(
    [
        _joules("energy_to_accuracy_j", "energy until the target held", _absent),
        Metric(
            name="duration_to_accuracy_s",
            meaning="time until the target held",
            dimension="s",
            read=_absent,
        ),
        Metric(
            name="samples_to_accuracy",
            meaning="training samples until the target held",
            dimension="count",
            read=_absent,
            exact=True,
            deterministic=True,
        ),
    ]
)

METRICS: Final = {
    **_by_name(
        [
            _joules("energy_j", "energy of the window", lambda r: _quantity(r.totals.energy_j)),
            _joules(
                "above_idle_energy_j",
                "energy above idle",
                lambda r: _quantity(r.totals.above_idle_energy_j),
            ),
            _joules(
                "energy_per_sample_j",
                "energy a training sample",
                lambda r: _quantity(r.totals.energy_per_sample_j),
                "J/sample",
            ),
            _joules(
                "energy_per_step_j",
                "energy of the window a step",
                lambda r: _per_step(_quantity(r.totals.energy_j), r.totals.steps),
            ),
            _joules(
                "mean_power_w", "mean power", lambda r: _plain(r.totals.mean_power_w, _is_estimated(r)), "W"
            ),
            _joules("co2e_kg", "CO2e", lambda r: _plain(r.totals.co2e_kg, _is_estimated(r)), "kg"),
            Metric(
                name="duration_s",
                meaning="length of the window",
                dimension="s",
                read=lambda r: _plain(r.totals.duration_s or None),
            ),
            Metric(
                name="step_duration_s",
                meaning="median length of a step",
                dimension="s",
                read=lambda r: _plain(r.steps.duration_s.p50),
            ),
            _memory(
                "peak_device_memory_bytes",
                "peak memory on the device",
                lambda r: r.totals.peak_device_memory_bytes,
                True,
            ),
            _memory(
                "peak_host_memory_bytes",
                "peak memory of the process",
                lambda r: r.totals.peak_host_memory_bytes,
                False,
            ),
            _exact("flops", "floating-point operations", "FLOP", lambda r: r.totals.flops),
            Metric(
                name="flops_per_step",
                meaning="floating-point operations a step",
                dimension="FLOP",
                read=lambda r: _ratio(r.totals.flops, r.totals.steps),
                exact=True,
                deterministic=True,
            ),
            _exact("parameters", "trainable parameters", "count", lambda r: r.workload.parameters),
            _exact("samples", "training samples seen", "count", lambda r: r.totals.samples),
            _exact("steps", "optimisation steps", "count", lambda r: r.totals.steps or None),
            _accuracy("train_accuracy", "training accuracy"),
            _accuracy("validation_accuracy", "validation accuracy"),
            _accuracy("test_accuracy", "test accuracy"),
            _loss("train_loss", "training loss"),
            _loss("validation_loss", "validation loss"),
        ]
    ),
    **TARGET_METRICS,
}

#: First part of a dotted name -> maker of the metric for its second part.
FAMILIES: Final[dict[str, Callable[[str], Metric]]] = {
    "domain_energy_j": _domain_energy,
    "phase_energy_j": _phase_energy,
    "phase_s": _phase_time,
}


def _per_step(energy: Reading | None, steps: int) -> Reading | None:
    if energy is None or not steps:
        return None
    bounds = [None if bound is None else bound / steps for bound in (energy.low, energy.high)]
    return Reading(value=energy.value / steps, low=bounds[0], high=bounds[1], estimated=energy.estimated)
