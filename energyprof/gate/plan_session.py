"""``energyprof plan`` from its words to a plan: where the noise comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from energyprof.analysis.statistics import Noise
from energyprof.errors import UsageError
from energyprof.gate.baseline import Baseline
from energyprof.gate.baseline_file import read_baseline
from energyprof.gate.budget_file import budget_file_in, read_budgets
from energyprof.gate.metric import metric_named
from energyprof.gate.plan import Plan, observed_noise, plan_runs
from energyprof.gate.run_files import load_runs
from energyprof.gate.session import shown_path
from energyprof.units import parse_quantity

__all__ = ["plan_for"]


def plan_for(
    margin: str,
    references: Sequence[str],
    *,
    noise: str | None,
    between: str | None,
    baseline: Path | None,
    metric: str,
    alpha: float,
    out: Path,
    config: Path | None = None,
) -> Plan:
    """Plan from a noise that is given, promoted or observed; what is given wins.

    A baseline was measured in other sittings. What changes between these is calibrated (``[noise]`` in the
    budget file) or else what the baseline's own sittings showed, as in a check.

    Raises:
        EnergyprofError: there is no noise to plan from, or something cannot be read.
    """
    name = metric_named(metric).name
    found = _noise(name, references, baseline, out, config) if noise is None else None
    within = parse_quantity(noise, "fraction") if noise is not None else (found.within if found else None)
    if within is None:
        raise UsageError(
            f"no noise of {name} to plan from: name runs, a --baseline, or give --noise such as 1%"
        )
    apart = parse_quantity(between, "fraction") if between is not None else (found.between if found else None)
    return plan_runs(name, parse_quantity(margin, "fraction"), within, between=apart or 0.0, alpha=alpha)


def _noise(
    metric: str, references: Sequence[str], baseline: Path | None, out: Path, config: Path | None
) -> Noise | None:
    if references:
        return observed_noise(load_runs(references, out), metric)
    if baseline is None:
        return None
    promoted = read_baseline(baseline, shown_path(baseline))
    found, calibrated = promoted.noise.get(metric), _calibrated(promoted, metric, config)
    return found if found is None or calibrated is None else replace(found, between=calibrated)


def _calibrated(promoted: Baseline, metric: str, config: Path | None) -> float | None:
    """Return the noise between sittings that the budget file states for the baseline's device."""
    path = budget_file_in(Path()) if config is None else config
    if path is None:
        return None
    book = read_budgets(path, shown_path(path))
    return book.noise.get(promoted.runs[0].device or "", {}).get(metric)
