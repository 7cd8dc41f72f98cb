"""Where a budget's baseline lies: in the file its template names, or in what ``--baseline`` names."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from energyprof.errors import ConfigError
from energyprof.gate.baseline import Baseline, baseline_path
from energyprof.gate.baseline_file import read_baseline
from energyprof.gate.budget import Budget
from energyprof.gate.case import Base
from energyprof.gate.observation import GateRun, Observation, labels, observe
from energyprof.gate.promotion import base_from
from energyprof.gate.sides import select_runs

__all__ = ["Shelf", "shelf_path"]


class Shelf:
    """Finds what a budget's runs are held against.

    Args:
        folder: of the budget file; templates are relative to it.
        runs: the runs that are checked; their labels fill the templates.
        given: a baseline to be used instead of the stored one, by the budget it was promoted for.
        given_runs: runs to be used instead.
        promotion: the words that promote what is checked, after budget and reason: how runs were named.
    """

    def __init__(
        self,
        folder: Path,
        runs: Sequence[GateRun],
        given: tuple[Baseline, str] | None = None,
        given_runs: Sequence[GateRun] = (),
        promotion: Sequence[str] = (),
    ) -> None:
        self._folder, self._runs, self._promotion = folder, runs, promotion
        self._given, self._given_runs = given, given_runs

    def base(self, budget: Budget, head: Sequence[Observation]) -> Base:
        """Return the other side of a budget.

        Raises:
            ConfigError: a file is there and is no baseline of this budget.
        """
        if not budget.is_relative:
            return Base()
        if self._given_runs:
            chosen = select_runs(budget, self._given_runs)
            missing = None if chosen else "none of the runs given as baseline matches this budget"
            return Base(runs=tuple(observe(run, budget) for run in chosen), missing=missing)
        if self._given is not None and self._given[0].budget == budget.name:
            return base_from(*self._given)
        return self._stored(budget, head)

    def _stored(self, budget: Budget, head: Sequence[Observation]) -> Base:
        if budget.baseline is None:
            return Base(missing=f"no baseline: name a file with  baseline = ...  and {self._how_to(budget)}")
        path = shelf_path(budget, self._runs)
        if path is None or not (self._folder / path).is_file():
            return Base(missing=f"no baseline at {path or budget.baseline}: {self._how_to(budget)}")
        baseline = read_baseline(self._folder / path, path)
        if baseline.budget != budget.name:
            raise ConfigError(
                f"baseline {baseline.place}: it was promoted for budget '{baseline.budget}', "
                f"not for '{budget.name}'"
            )
        return base_from(baseline, path)

    def _how_to(self, budget: Budget) -> str:
        words = ["energyprof", "baseline", "promote", "--budget", budget.name, "--reason", "first"]
        return f"promote one with  {shlex.join([*words, *self._promotion])}"


def shelf_path(budget: Budget, runs: Sequence[GateRun]) -> str | None:
    """Return the path of a budget's baseline for these runs; None where no run tells the labels."""
    chosen = select_runs(budget, runs)
    if budget.baseline is None or not chosen:
        return None
    return baseline_path(budget.baseline, budget.name, labels(chosen[0].report))
