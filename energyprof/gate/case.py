"""A budget's case: the runs of both sides, what stands between them, and the numbers of a metric."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from energyprof.analysis.comparability import (
    Difference,
    Strictness,
    belongs_to_execution,
    belongs_to_learner,
    key_differences,
)
from energyprof.analysis.reaching import Target
from energyprof.analysis.statistics import Noise
from energyprof.gate.budget import Budget, MetricBudget
from energyprof.gate.judgement import Samples
from energyprof.gate.metric import Metric, Reading
from energyprof.gate.observation import Observation
from energyprof.gate.sides import Arrangement, Side, arrange, pair_up, take_side

__all__ = ["Base", "Case", "open_case"]

_FROM_ENERGY: Final = ("energy_per_sample_j", "energy_per_step_j", "co2e_kg")
_SENSOR_KEYS: Final = ("energy_source", "energy_scope", "power_limit_w")
_PLACE_KEYS: Final = (*_SENSOR_KEYS, "device", "device_count")


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What head is held against.

    Attributes:
        runs: of the baseline, or of the other side of a sitting.
        missing: why there are none, and what to do; None where there are.
        shown: what to call it: the baseline's path, relative.
        target: what counted as learned when it was promoted; None where it was not promoted.
        noise: metric -> what its sittings showed.
    """

    runs: tuple[Observation, ...] = ()
    missing: str | None = None
    shown: str | None = None
    target: Target | None = None
    promoted: bool = False
    noise: Mapping[str, Noise] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Both sides of a budget, ready to be judged.

    Attributes:
        pairs: (base, head) of the runs that count, where the arrangement is paired.
        within: keys in which the runs of one side differ among themselves.
        between: keys in which the sides differ.
        shared: ids of runs that stand on both sides.
        calibrated: metric -> standard deviation between sittings on this device.
    """

    budget: Budget
    head: Side
    base: Side
    given: Base
    arrangement: Arrangement
    pairs: tuple[tuple[Observation, Observation], ...]
    within: tuple[Difference, ...]
    between: tuple[Difference, ...]
    shared: tuple[str, ...]
    calibrated: Mapping[str, float]

    @property
    def apart(self) -> tuple[Difference, ...]:
        """Return the keys in which the sides differ and should not."""
        if not self.budget.across_learners:
            return self.between
        one_learner = all(d.key != "algo" for d in self.between)  # its precision may be what is under test
        return tuple(
            d
            for d in self.between
            if not (belongs_to_learner(d.key) or (one_learner and belongs_to_execution(d.key)))
        )

    @property
    def base_runs(self) -> tuple[Observation, ...]:
        """Return the base runs that count: paired ones only, where runs are paired."""
        return tuple(pair[0] for pair in self.pairs) if self.pairs else self.base.kept

    @property
    def head_runs(self) -> tuple[Observation, ...]:
        """Return the head runs that count in a comparison."""
        return tuple(pair[1] for pair in self.pairs) if self.pairs else self.head.kept

    def refusals(self, metric: Metric, deterministic: bool, relative: bool) -> list[Difference]:
        """Return the differences that forbid judging a metric.

        Joules and watts depend on every key; other figures not on the sensors; deterministic counts not on
        the device either. CO2e needs one carbon intensity.
        """
        if metric.energy:
            ignored: tuple[str, ...] = ()
        else:
            counted = deterministic and metric.dimension != "B"
            ignored = _PLACE_KEYS if counted else _SENSOR_KEYS[:2]
        hard = ("carbon_intensity",) if metric.name == "co2e_kg" else ()
        found = self.within + self.apart if relative else self.within
        return [
            d for d in found if d.key in hard or (d.strictness is Strictness.REFUSE and d.key not in ignored)
        ]

    def readings(self, runs: Sequence[Observation], metric: str) -> list[Reading]:
        """Return the figures of the runs that have one."""
        return [run.readings[metric] for run in runs if metric in run.readings]

    def between_noise(self, metric: Metric) -> tuple[float, float] | None:
        """Return the noise between sittings with its degrees of freedom; None where it is not known.

        What does not drift with heat or a neighbour's load (accuracies, bytes, counts) has none.
        """
        drifts = metric.energy or metric.dimension in ("J", "s", "W")
        if not drifts or self.arrangement is not Arrangement.SEPARATE:
            return 0.0, math.inf
        names = [metric.name, *(["energy_j"] if metric.name in _FROM_ENERGY else [])]
        for name in names:
            if name in self.calibrated:
                return self.calibrated[name], math.inf
            observed = self.given.noise.get(name)
            if observed is not None and observed.between is not None and observed.between_df >= 1:
                return observed.between, observed.between_df
        return None

    def samples(self, metric: Metric) -> Samples:
        """Return the numbers of both sides."""
        sigma, df = self.between_noise(metric) or (0.0, math.inf)
        return Samples(
            base=[reading.value for reading in self.readings(self.base_runs, metric.name)],
            head=[reading.value for reading in self.readings(self.head_runs, metric.name)],
            arrangement=self.arrangement,
            between_sigma=sigma,
            between_df=df,
        )

    def by_seed(self, entry: MetricBudget, runs: Sequence[Observation]) -> dict[int | None, set[float]]:
        """Return seed -> values of a deterministic metric."""
        found: dict[int | None, set[float]] = {}
        for run in runs:
            value = run.value(entry.metric.name)
            if value is not None:
                found.setdefault(run.seed, set()).add(value)
        return found


def open_case(
    budget: Budget,
    head: Sequence[Observation],
    base: Base,
    noise: Mapping[str, Mapping[str, float]],
) -> Case:
    """Gather the sides of a budget.

    Args:
        budget: whose flags set runs aside.
        head: the runs that are checked.
        base: what they are held against.
        noise: device -> metric -> standard deviation between sittings.
    """
    flags = budget.policies.exclude_flags
    head_side, base_side = take_side(head, flags, "head"), take_side(base.runs, flags, "base")
    arrangement = arrange(base.runs, head)
    within = key_differences([run.key for run in head]) if head else ()
    between = key_differences([head[0].key, base.runs[0].key]) if head and base.runs else ()
    own = key_differences([run.key for run in base.runs]) if base.runs else ()
    known = {difference.key for difference in (*within, *own)}
    devices = {run.device for run in head}
    return Case(
        budget=budget,
        head=head_side,
        base=base_side,
        given=base,
        arrangement=arrangement,
        pairs=_kept_pairs(base.runs, head, base_side, head_side) if arrangement is Arrangement.PAIRED else (),
        within=within,
        between=(*own, *(difference for difference in between if difference.key not in known)),
        shared=_shared(base.runs, head),
        calibrated=noise.get(devices.pop() or "", {}) if len(devices) == 1 else {},
    )


def _kept_pairs(
    base: Sequence[Observation], head: Sequence[Observation], base_side: Side, head_side: Side
) -> tuple[tuple[Observation, Observation], ...]:
    kept = {run.id for run in (*base_side.kept, *head_side.kept)}
    return tuple(pair for pair in pair_up(base, head) if all(run.id in kept for run in pair))


def _shared(base: Sequence[Observation], head: Sequence[Observation]) -> tuple[str, ...]:
    ids, digests = {run.id for run in base}, {run.digest for run in base}
    return tuple(run.id for run in head if run.id in ids or run.digest in digests)
