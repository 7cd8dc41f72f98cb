"""What was checked against what: two estimators of one sensor, and another tool that ran beside."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CounterPowerGap", "CrossCheck", "EnergyBeside", "ToolBeside"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterPowerGap:
    """The two estimators of one domain, side by side."""

    domain: str
    counter_j: float
    integrated_j: float
    relative_gap: float  # (integrated - counter) / counter


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyBeside:
    """Energy of one kind of hardware, by a tool that ran beside and by this record."""

    kind: str  # "gpu", "cpu", "ram"
    energy_j: float | None  # the tool's; None where it gave none
    ours_j: float | None = None  # of all domains of this kind; None where no sensor gave it
    relative_gap: float | None = None  # (energy - ours) / ours


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolBeside:
    """Another tool that measured while this record was made; nothing of it is in the totals.

    Attributes:
        tool: its name and release.
        duration_s: for how long it measured, or None where it came to no end.
        gpus: how many GPUs it saw, or None where it does not say.
        energies: by kind of hardware; empty where it gave none.
    """

    tool: str
    duration_s: float | None = None
    gpus: int | None = None
    energies: tuple[EnergyBeside, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossCheck:
    """What was checked against what."""

    counter_power: tuple[CounterPowerGap, ...] = ()
    condition_number: float | None = None  # of the regression's design matrix
    codecarbon: ToolBeside | None = None  # None: it did not run beside
