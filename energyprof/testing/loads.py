"""What a device does in a scenario: stretches of constant power, each in a phase and at most one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from energyprof.record.trace import UNATTRIBUTED
from energyprof.testing.true_power import TruePower

__all__ = [
    "FOUR_PHASES",
    "TRAINING_STEP",
    "Load",
    "random_training",
    "square_wave",
    "steady",
    "training",
]

#: (phase, seconds, watts): the step of issue 3's table, 35 ms at 350 W and 15 ms at 80 W.
TRAINING_STEP = (("train/compute", 0.035, 350.0), ("train/data", 0.015, 80.0))
#: Four phases in a step of 60 ms.
FOUR_PHASES = (
    ("train/data", 0.008, 95.0),
    ("train/forward", 0.018, 270.0),
    ("train/backward", 0.026, 345.0),
    ("train/optimizer", 0.008, 180.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A training run as its device sees it, from the moment its window opens.

    Attributes:
        name: in words, for tables.
        duration_ns: (n,) how long each stretch lasts.
        power_mw: (n,) what the device draws in it.
        phase: (n,) index into ``phases``.
        step: (n,) the step's number, -1 outside of steps.
    """

    name: str
    duration_ns: NDArray[np.int64]
    power_mw: NDArray[np.int64]
    phase: NDArray[np.int32]
    step: NDArray[np.int64]
    phases: tuple[str, ...]

    @property
    def start_ns(self) -> NDArray[np.int64]:
        """Return (n,) when each stretch starts, after the window opens."""
        return np.cumsum(self.duration_ns) - self.duration_ns

    @property
    def total_ns(self) -> int:
        """Return how long it lasts."""
        return int(self.duration_ns.sum())

    def power(self, open_ns: int, idle_w: float) -> TruePower:
        """Return the true power of a device that runs it from ``open_ns`` on, and idles before and after."""
        idle_mw = round(idle_w * 1e3)
        end_ns = open_ns + self.total_ns
        return TruePower(
            start_ns=(*(open_ns + self.start_ns).tolist(), end_ns),
            power_mw=(*self.power_mw.tolist(), idle_mw),
            end_ns=end_ns + 1,
            before_mw=idle_mw,
        )


def steady(power_w: float, duration_s: float, step_s: float = 0.05) -> Load:
    """Return constant power, cut into steps."""
    return training([("train", step_s, power_w)], duration_s, name=f"steady {power_w:g} W")


def square_wave(high_w: float, low_w: float, period_s: float, duration_s: float, duty: float = 0.5) -> Load:
    """Return two levels of power in turn; a step is one period."""
    shape = [("train", duty * period_s, high_w), ("train", (1 - duty) * period_s, low_w)]
    return training(shape, duration_s, name=f"square wave {high_w:g}/{low_w:g} W, {period_s:g} s")


def training(
    shape: Sequence[tuple[str, float, float]],
    duration_s: float,
    *,
    name: str,
    jitter: float = 0.0,
    spread: float = 0.0,
    seed: int = 0,
) -> Load:
    """Return steps of one shape.

    Args:
        shape: (phase, seconds, watts) of each part of a step.
        duration_s: how long it is to last; whole steps that fit.
        name: in words.
        jitter: standard deviation of each part's duration, as a share of it.
        spread: standard deviation of each part's power, as a share of it.
        seed: of the generator of both.
    """
    random = np.random.default_rng(seed)
    phases = tuple(dict.fromkeys([UNATTRIBUTED, *(phase for phase, _, _ in shape)]))
    step_s = sum(seconds for _, seconds, _ in shape)
    count = max(1, int(duration_s / step_s + 1e-9))
    size = (count, len(shape))
    seconds = np.array([part[1] for part in shape]) * _around_one(random, jitter, size)
    watts = np.array([part[2] for part in shape]) * _around_one(random, spread, size)
    return Load(
        name=name,
        duration_ns=np.maximum(np.rint(seconds * 1e9), 1000).astype(np.int64).ravel(),
        power_mw=np.rint(watts * 1e3).astype(np.int64).ravel(),
        phase=np.tile(np.array([phases.index(part[0]) for part in shape], np.int32), count),
        step=np.repeat(np.arange(count, dtype=np.int64), len(shape)),
        phases=phases,
    )


def random_training(seed: int, duration_s: float) -> Load:
    """Return training with random phases: two to five of them, 20 to 200 ms a step, 60 to 400 W."""
    random = np.random.default_rng(seed)
    count = int(random.integers(2, 6))
    step_s = float(np.exp(random.uniform(np.log(0.02), np.log(0.2))))
    shares = random.dirichlet(np.full(count, 3.0))
    shares = (shares + 0.05) / (shares + 0.05).sum()
    shape = [(f"train/part{k}", step_s * shares[k], random.uniform(60.0, 400.0)) for k in range(count)]
    return training(
        shape,
        duration_s,
        name=f"random schedule {seed}",
        jitter=float(random.uniform(0.02, 0.15)),
        spread=float(random.uniform(0.0, 0.05)),
        seed=seed,
    )


def _around_one(random: np.random.Generator, deviation: float, size: tuple[int, int]) -> NDArray[np.float64]:
    """Return factors around 1, never below 0.2."""
    return np.maximum(1.0 + deviation * random.standard_normal(size), 0.2)
