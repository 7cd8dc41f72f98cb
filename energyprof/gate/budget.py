"""What a team allows: budgets, their limits and the policies that go with them. Data only.

:mod:`energyprof.gate.budget_file` reads them from TOML; the pytest plugin and ``ab --margin`` make them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from energyprof.analysis.reaching import Target
from energyprof.gate.metric import Metric

__all__ = [
    "BUDGET_SCHEMA",
    "QUALITY_FLAGS",
    "Budget",
    "BudgetBook",
    "Level",
    "Limit",
    "LimitKind",
    "MetricBudget",
    "Policies",
    "Policy",
]

BUDGET_SCHEMA: Final = "energyprof.budget/1"

#: Flags for which a run is set aside, where they are more than a note (severity ``info``): declared here,
#: before anyone has seen its figures.
QUALITY_FLAGS: Final = (
    "throttled",
    "foreign-process",
    "sampling-gap",
    "counter-reset",
    "counter-frozen",
    "partial-record",
    "part-of-run",
)


_PLANNED_LOOKS: Final = (3, 5, 8)
_TWO_SAMPLE_SHARE: Final = 0.5  # of the level, at each of these looks
_ONE_SAMPLE_SHARE: Final = 0.42


class Level(StrEnum):
    """What breaking a rule does."""

    OFF = "off"
    WARN = "warn"
    ERROR = "error"


class Policy(StrEnum):
    """What not being able to tell does."""

    PASS = "pass"
    WARN = "warn"
    ERROR = "error"


class LimitKind(StrEnum):
    """The four limits that a metric can have."""

    MAX = "max"
    MIN = "min"
    MAX_INCREASE = "max_increase"
    MAX_DECREASE = "max_decrease"

    @property
    def is_relative(self) -> bool:
        """Tell whether it needs a baseline."""
        return self in (LimitKind.MAX_INCREASE, LimitKind.MAX_DECREASE)

    @property
    def is_upper(self) -> bool:
        """Tell whether it limits from above."""
        return self in (LimitKind.MAX, LimitKind.MAX_INCREASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit.

    Attributes:
        value: in the metric's canonical unit; for relative limits a fraction, or percentage points for
            accuracies.
        text: as it was written: ``1.8 kJ``, ``5%``.
        line: of the budget file, or None.
    """

    kind: LimitKind
    value: float
    text: str
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricBudget:
    """The limits of one metric.

    Attributes:
        guard: whether it stands under ``quality`` and so is judged first.
        primary: whether it is the budget's one metric judged at the full level.
        deterministic: compared exactly, one run is enough.
    """

    metric: Metric
    limits: tuple[Limit, ...]
    level: Level
    guard: bool = False
    primary: bool = False
    deterministic: bool = False
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """How strictly a budget is judged, see ``[defaults]``."""

    level: Level = Level.ERROR
    alpha: float = 0.05
    looks: tuple[int, ...] = (3, 5, 8)
    guard_band: float = 0.10
    on_inconclusive: Policy = Policy.WARN
    on_missing_baseline: Policy = Policy.WARN
    on_missing_metric: Policy = Policy.ERROR
    on_incomparable: Policy = Policy.ERROR
    exclude_flags: tuple[str, ...] = QUALITY_FLAGS

    def look_alpha(self, *, one_sample: bool) -> float:
        """Return the level of each planned look.

        At 3, 5, 8 runs half the level errs in 4.8 % of cases overall at the margin where two samples are
        compared, but in 5.8 % where differences of pairs are, or one side with a limit: a single sample. With
        0.42 of the level these err in 5.0 % (simulated, ``benchmarks/gate_power.py``). Any other plan shares
        the level equally (Bonferroni).

        Args:
            one_sample: whether the figures are one sample: pairs, or one side.
        """
        if len(self.looks) == 1:
            return self.alpha
        if self.looks != _PLANNED_LOOKS:
            return self.alpha / len(self.looks)
        return self.alpha * (_ONE_SAMPLE_SHARE if one_sample else _TWO_SAMPLE_SHARE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One budget: which runs, which baseline, which limits.

    Attributes:
        select: what a run's labels must be; a list means any of them.
        baseline: path of the promoted runs, with ``{budget}`` and labels such as ``{device}`` filled in.
        unguarded: why it has no quality guard, where it has none.
        across_learners: whether the learner itself is under test and so may differ between the sides.
    """

    name: str
    why: str = ""
    select: Mapping[str, Any] = field(default_factory=dict)
    baseline: str | None = None
    target: Target | None = None
    metrics: tuple[MetricBudget, ...] = ()
    policies: Policies = field(default_factory=Policies)
    unguarded: str | None = None
    across_learners: bool = False
    line: int | None = None

    @property
    def is_relative(self) -> bool:
        """Tell whether any limit needs a baseline."""
        return any(limit.kind.is_relative for entry in self.metrics for limit in entry.limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetBook:
    """All budgets of a file.

    Attributes:
        file: what to call it in messages and annotations: relative, never absolute; None for none.
        noise: device -> metric -> standard deviation of log means between sittings, as calibrated.
    """

    budgets: tuple[Budget, ...]
    file: str | None = None
    noise: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
