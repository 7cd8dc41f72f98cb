"""The reason for each field of the report's contract that is null."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any, Final

from energyprof.analysis.findings import Findings
from energyprof.record.model import Distribution, Flag, Provenance, Quantity, Severity

__all__ = ["missing_values"]

NOT_TOLD: Final = "nobody told it"
NOT_LOGGED: Final = "the training code did not log it"

#: field of the contract -> why it is null where nothing more special is known
REASONS: Final = {
    "run.seed": NOT_TOLD,
    "run.command": NOT_TOLD,
    "workload.algo": NOT_TOLD,
    "workload.dataset": NOT_TOLD,
    "workload.dataset_sha256": NOT_TOLD,
    "workload.arch": NOT_TOLD,
    "workload.schedule": NOT_TOLD,
    "workload.parameters": NOT_TOLD,
    "totals.energy_j": "no energy sensor gave a usable reading",
    "totals.idle_energy_j": "too little was recorded outside of the window, and no calibration tells it",
    "totals.above_idle_energy_j": "the idle energy is not known",
    "totals.samples": "the number of samples was not logged",
    "totals.energy_per_sample_j": "the number of samples is not known",
    "totals.flops": "operations were not counted",
    "totals.peak_device_memory_bytes": "no device's memory was read",
    "totals.peak_host_memory_bytes": "the host's memory was not read",
    "totals.co2e_kg": "energy or carbon intensity is not known",
    "carbon.intensity_g_per_kwh": "no carbon intensity was given",
    "carbon.source": "no carbon intensity was given",
    "carbon.country": "no country was named: give --country",
    "quality.train_accuracy": NOT_LOGGED,
    "quality.validation_accuracy": NOT_LOGGED,
    "quality.test_accuracy": NOT_LOGGED,
    "steps.duration_s": "no step was marked",
    "steps.energy_j": "no step was marked",
}


def missing_values(findings: Findings) -> Iterator[Flag]:
    """Give the reason for each field of the contract that is null."""
    for field, reason in REASONS.items():
        if _is_missing(reduce(getattr, field.split("."), findings.report)):
            yield Flag(
                code="missing-value",
                severity=Severity.INFO,
                message=f"{field} is not known: {_special(field, findings) or reason}.",
                field=field,
            )


def _is_missing(value: Any) -> bool:
    if isinstance(value, Quantity):
        return value.source is Provenance.MISSING
    if isinstance(value, Distribution):
        return value.mean is None
    return value is None


def _special(field: str, findings: Findings) -> str | None:
    """Return a reason that fits this run better than the usual one."""
    report = findings.report
    no_energy = report.totals.energy_j.source is Provenance.MISSING
    if no_energy and field in (
        "totals.idle_energy_j",
        "totals.above_idle_energy_j",
        "totals.energy_per_sample_j",
        "totals.co2e_kg",
        "steps.energy_j",
    ):
        return "the energy is not known"
    if field == "totals.above_idle_energy_j" and report.totals.idle_energy_j.value is not None:
        return "by the CPU's model the host was as busy before and after the run as in it"
    if field == "totals.energy_per_sample_j" and report.totals.samples == 0:
        return "no sample was trained on"
    if field == "totals.peak_device_memory_bytes" and report.environment.device == "cpu":
        return "training ran on the CPU"
    if (
        field == "carbon.country"
        and report.carbon.intensity_g_per_kwh is not None
        and not report.carbon.assumed
    ):
        return "the intensity was given as a figure"
    return None
