"""The delay of a sensor: by how much its refreshes are later than they seem.

Polls that follow a sensor's refresh know each refresh to a millisecond or two, but may all be off the same
way. The energies tell by how much: were all intervals to begin and end a little later, those that end in a
phase of high power and begin in one of low power would hold more. To first order the delay is one more
unknown of the regression, with the change of each interval's energy as its column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from energyprof.analysis.arrays import Floats
from energyprof.analysis.equations import Equations

__all__ = ["DELAY_S", "MOST_DELAY_S", "DelaySystem", "Prior", "better_delay", "with_delay"]

DELAY_S: Final = 1e-3  # standard deviation of what it may be: polls of a followed sensor are this far apart
MOST_DELAY_S: Final = 4e-3  # beyond that it is not small against a phase, and the first order does not hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """What is believed without the readings.

    Attributes:
        mean_w: the power of every phase.
        ridge: the weight of that, in s^2.
        delay_ridge: the weight of a delay of zero, in W^2.
    """

    mean_w: float
    ridge: float
    delay_ridge: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DelaySystem:
    """Equations for the watts of p phases and a further delay, linear around a fit.

    Attributes:
        gram: (b, p + 1, p + 1) of each block.
        moment: (b, p + 1) of each block.
        ridge: (p + 1,) weight of the prior of each unknown.
        prior: (p + 1,) its value.
    """

    gram: Floats
    moment: Floats
    ridge: Floats
    prior: Floats


def with_delay(equations: Equations, power_w: Floats, delay_s: float, prior: Prior) -> DelaySystem:
    """Return the equations with a further delay as one more unknown.

    Args:
        equations: of the phases that occur.
        power_w: (p,) their watts, as far as they are known.
        delay_s: the delay, as far as it is known.
        prior: what is believed without the readings.
    """
    p = len(power_w)
    inner, moment = equations.moved(delay_s)
    cross, late = equations.gram[:, :p, p:], equations.gram[:, p:, p:]
    border = (cross + delay_s * late) @ power_w
    corner = np.einsum("p,bpq,q->b", power_w, late, power_w)
    gram = np.zeros((len(inner), p + 1, p + 1))
    gram[:, :p, :p], gram[:, :p, p], gram[:, p, :p], gram[:, p, p] = inner, border, border, corner
    return DelaySystem(
        gram=gram,
        moment=np.concatenate([moment, (equations.moment[:, p:] @ power_w)[:, None]], axis=1),
        ridge=np.append(np.full(p, prior.ridge), prior.delay_ridge),
        prior=np.append(np.full(p, prior.mean_w), -delay_s),
    )


def better_delay(equations: Equations, power_w: Floats, delay_s: float, prior: Prior) -> float:
    """Return the delay after one step of Gauss and Newton, kept to where the first order holds."""
    system = with_delay(equations, power_w, delay_s, prior)
    gram = system.gram.sum(axis=0) + np.diag(system.ridge)
    found = np.linalg.solve(gram, system.moment.sum(axis=0) + system.ridge * system.prior)
    return min(max(delay_s + float(found[-1]), -MOST_DELAY_S), MOST_DELAY_S)
