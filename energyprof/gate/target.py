"""Energy, time and samples to a target accuracy, as figures that a budget can limit.

Censored data: a run that never reaches the target counts as infinite. What reaching means stands in
:mod:`energyprof.analysis.reaching`.
"""

from __future__ import annotations

import math

from energyprof.analysis.reaching import Target, logs, reach
from energyprof.gate.metric import TARGET_METRICS, Reading
from energyprof.record.model import Provenance, Report

__all__ = ["readings_to_target"]


def readings_to_target(report: Report, target: Target) -> dict[str, Reading]:
    """Return the figures to the target, infinite where the run never held it.

    A run in which the metric was never logged has none of them: that is missing, not infinite.
    """
    if not logs(report, target.metric):
        return {}
    reached = reach(report, target)
    if reached is None:
        return {name: Reading(value=math.inf) for name in TARGET_METRICS}
    estimated = report.totals.energy_j.source is Provenance.ESTIMATED
    figures = {
        "energy_to_accuracy_j": reached.energy_j,
        "duration_to_accuracy_s": reached.duration_s,
        "samples_to_accuracy": reached.samples,
    }
    return {
        name: Reading(value=float(value), estimated=estimated and name.startswith("energy"))
        for name, value in figures.items()
        if value is not None
    }
