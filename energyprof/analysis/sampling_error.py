"""The error of integrated power where readings see only part of the time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from energyprof.analysis.arrays import NS
from energyprof.analysis.power_curve import PowerCurve
from energyprof.analysis.student_t import t_quantile

__all__ = ["SamplingError", "sampling_error"]

BATCHES: Final = 20
SEES_ALL: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingError:
    """How far the energy of a window may be off by chance.

    Attributes:
        seen: share of the time that readings speak for.
        relative: half the 95 % interval of the mean power, as a share of it.
    """

    seen: float
    relative: float


def sampling_error(power: PowerCurve, window_ns: tuple[int, int]) -> SamplingError | None:
    """Return the sampling error of a window; None where readings see all the time.

    The readings are a sample of the power: the interval is that of their mean, from the means of batches of
    consecutive readings, so that what is alike in neighbours does not make it too narrow. It holds where
    steps do not keep step with the sensor; where they do, only the guaranteed bounds hold.
    """
    seen = min(power.window_s / power.refresh_s, 1.0)
    if seen >= SEES_ALL:
        return None
    inside = (power.at_s >= window_ns[0] * NS) & (power.at_s <= window_ns[1] * NS)
    watts = power.power_w[inside]
    batches = min(BATCHES, len(watts))
    if batches < 2 or watts.mean() <= 0:
        return SamplingError(seen=seen, relative=1.0)
    means = np.array([batch.mean() for batch in np.array_split(watts, batches)])
    unseen = math.sqrt(1 - seen)  # a sample of nearly everything errs little
    error = t_quantile(0.975, batches - 1) * float(means.std(ddof=1)) / math.sqrt(batches) * unseen
    return SamplingError(seen=seen, relative=error / float(watts.mean()))
