"""The power of each phase by regression, with intervals that say how well it is told apart.

Each refresh interval is one equation, ``energy = sum (seconds in phase) x (watts of phase)``; many of them
tell phases far shorter than the sensor's refresh. Least squares with the device's lowest power as a lower
bound.

A weak prior completes it: a phase's power is that of the mean, give or take the power range (the standard
deviation of a uniform distribution over it). Where the equations tell phases apart it weighs nothing. Where
they do not, because steps are locked to the refresh, it gives the mean power with an interval as wide as the
range: what is not known is then said not to be known.

Sources: A. E. Hoerl, R. W. Kennard, Technometrics 12 (1970) 55 (the prior as a ridge); H. R. Kuensch, Annals
of Statistics 17 (1989) 1217 (bootstrap of blocks, for noise that is correlated from one refresh to the next).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from energyprof.analysis.arrays import Bools, Floats
from energyprof.analysis.delay import DELAY_S, DelaySystem, Prior, better_delay, with_delay
from energyprof.analysis.drift import drift_factors, rescaled
from energyprof.analysis.equations import Equations
from energyprof.analysis.nnls import non_negative_least_squares
from energyprof.analysis.refreshes import PowerRange
from energyprof.analysis.student_t import t_quantile

__all__ = ["PhasePowers", "phase_powers"]

DRAWS: Final = 400
SEED: Final = 20240501  # the same trace always gives the same interval
LEAST_ROWS: Final = 8
STEPS: Final = 4
MOST_CONDITION: Final = 1e3  # beyond it shares of time differ by less than refreshes are known
VAGUE: Final = 0.3  # the variance of a refresh's time is known to about this share


@dataclass(frozen=True, slots=True, kw_only=True)
class PhasePowers:
    """The mean power of each phase.

    Attributes:
        power_w: (p,) watts.
        low_w: (p,) lower end of the 95 % interval.
        high_w: (p,) upper end.
        most_w: the most that the device can draw.
        half_width_w: (p,) half the interval before it was cut to the power range.
        covariance_w2: (p, p) of ``power_w``.
        resolved: (p,) from 0 (the prior alone tells it) to 1 (the readings tell it).
        seconds: (p,) time in each phase that the equations cover.
        condition: condition number of the design matrix, its columns scaled to one length.
        delay_s: how much later than they seem the sensor's refreshes are.
        noise_j2_per_s: variance of energy that the phases do not explain, for each second.
        time_variance_s2: variance of an interval's length.
        rows: number of equations.
    """

    power_w: Floats
    low_w: Floats
    high_w: Floats
    most_w: float
    half_width_w: Floats
    covariance_w2: Floats
    resolved: Floats
    seconds: Floats
    condition: float
    delay_s: float
    noise_j2_per_s: float
    time_variance_s2: float
    rows: int


def phase_powers(equations: Equations, limits: PowerRange) -> PhasePowers | None:
    """Fit the power of each phase; None where there are too few equations.

    Args:
        equations: at least eight, and two for each phase that occurs.
        limits: the power range of the device.
    """
    seconds = equations.seconds.sum(axis=0)
    present = seconds > 0
    if equations.rows < max(LEAST_ROWS, 2 * int(present.sum())):
        return None
    occurring = equations.of_phases(present)
    fit = _fit(occurring, limits)
    factors = drift_factors(occurring, np.concatenate([fit.power_w, fit.delay_s * fit.power_w]))
    if (factors != 1.0).any():
        fit = _fit(rescaled(occurring, factors), limits)
    # What a phase drew on average: drift counts by when the phase occurred.
    scale = np.where(
        present, (equations.seconds * factors[:, None]).sum(axis=0) / np.maximum(seconds, 1e-12), 1.0
    )
    mean_w = float(equations.energy_j.sum() / seconds.sum())
    power = _spread_out(fit.power_w, present, mean_w) * scale
    covariance = np.diag(np.full(len(seconds), _prior_deviation(limits) ** 2))
    covariance[np.ix_(present, present)] = fit.covariance_w2 * np.outer(scale[present], scale[present])
    resolved = _spread_out(fit.resolved, present, 0.0)
    half = np.minimum(fit.quantile * np.sqrt(np.diag(covariance)), limits.ceiling_w - limits.floor_w)
    return PhasePowers(
        power_w=power,
        low_w=np.minimum(np.maximum(power - half, limits.floor_w), power),
        high_w=np.maximum(np.minimum(power + half, limits.ceiling_w), power),
        most_w=limits.ceiling_w,
        half_width_w=half,
        covariance_w2=covariance,
        resolved=resolved,
        seconds=seconds,
        condition=fit.condition,
        delay_s=fit.delay_s,
        noise_j2_per_s=fit.variance_j2 / equations.length_s,
        time_variance_s2=equations.time_variance_s2,
        rows=equations.rows,
    )


@dataclass(frozen=True, slots=True)
class _Fit:
    power_w: Floats
    covariance_w2: Floats
    resolved: Floats
    condition: float
    delay_s: float
    variance_j2: float
    quantile: float


def _spread_out(values: Floats, present: Bools, otherwise: float) -> Floats:
    """Return values of the phases that occurred as values of all phases."""
    everywhere = np.full(len(present), otherwise)
    everywhere[present] = values
    return everywhere


def _prior_deviation(limits: PowerRange) -> float:
    return max(limits.ceiling_w - limits.floor_w, 1.0) / math.sqrt(12)


def _fit(equations: Equations, limits: PowerRange) -> _Fit:
    mean_w = float(equations.energy_j.sum() / equations.seconds.sum())
    deviation = _prior_deviation(limits)
    gram, moment = (part.sum(axis=0) for part in equations.moved(0.0))
    power, delay_s = np.full(len(moment), mean_w), 0.0
    ridge, variance = 1e-9 * float(np.trace(gram)) / len(gram), 0.0
    for _ in range(STEPS):  # the prior's weight needs the noise, the delay the watts, and these both
        power = _solve(gram, moment, ridge, mean_w, limits.floor_w)
        variance = _residual_variance(gram, moment, float(equations.square.sum()), power, equations.rows)
        ridge = max(variance, 1e-12) / deviation**2
        prior = Prior(mean_w=mean_w, ridge=ridge, delay_ridge=max(variance, 1e-12) / DELAY_S**2)
        delay_s = better_delay(equations, power, delay_s, prior)
        gram, moment = (part.sum(axis=0) for part in equations.moved(delay_s))
    system = with_delay(equations, power, delay_s, prior)
    inverse = np.linalg.inv(system.gram.sum(axis=0) + np.diag(system.ridge))
    untold = inverse @ np.diag(system.ridge * max(variance, 1e-12)) @ inverse
    untold += _by_vague_times(equations.vague_s2, power, inverse)
    phases = len(power)
    blocks = len(equations.gram)
    told = _told_apart(gram)
    covariance = (_bootstrap_covariance(system) + untold)[:phases, :phases]
    lost = deviation**2 * (np.eye(phases) - told) @ (np.eye(phases) - told).T
    return _Fit(
        power_w=np.maximum(mean_w + told @ (power - mean_w), limits.floor_w),
        covariance_w2=told @ covariance @ told.T + lost,
        resolved=1 - np.minimum(np.diag(untold[:phases, :phases] + lost) / deviation**2, 1.0),
        condition=_condition(gram),
        delay_s=delay_s,
        variance_j2=variance,
        quantile=t_quantile(0.975, max(min(blocks - 1, equations.rows - phases), 1)),
    )


def _told_apart(gram: Floats) -> Floats:
    """Return (p, p) what takes differences of power that no equation can tell out of a fit.

    Where shares of time vary by less than a thousandth of a refresh, only errors of the refreshes' times are
    seen, and these would seem to tell phases apart to the watt.
    """
    scale = 1 / np.sqrt(np.maximum(np.diag(gram), 1e-300))
    values, vectors = np.linalg.eigh(gram * scale * scale[:, None])
    trusted = vectors[:, values * MOST_CONDITION**2 > values[-1]]
    told: Floats = (trusted @ trusted.T) * scale[:, None] / scale
    return told


def _by_vague_times(vague_s2: Floats, power: Floats, inverse: Floats) -> Floats:
    """Return the covariance that comes of not knowing how well the times of refreshes are known.

    Where steps are locked to the refresh, nothing but the scatter of these times tells phases apart. Its
    variance is itself an estimate: so much of it as may be wrong counts as an error of the moments.
    """
    error = np.append(VAGUE * vague_s2 * power, 0.0)
    covariance: Floats = inverse @ np.diag(error**2) @ inverse
    return covariance


def _solve(gram: Floats, moment: Floats, ridge: float, mean_w: float, floor_w: float) -> Floats:
    """Fit the watts above the floor, with the prior."""
    full = gram + ridge * np.eye(len(moment))
    above = non_negative_least_squares(full, moment + ridge * mean_w - full.sum(axis=1) * floor_w)
    power: Floats = above + floor_w
    return power


def _residual_variance(gram: Floats, moment: Floats, square: float, power: Floats, rows: int) -> float:
    left = square - 2 * float(moment @ power) + float(power @ gram @ power)
    return max(left, 0.0) / max(rows - len(power), 1)


def _bootstrap_covariance(system: DelaySystem) -> Floats:
    """Return the covariance of the fit over draws of blocks with replacement."""
    blocks, unknowns = system.moment.shape
    draws = np.random.default_rng(SEED).multinomial(blocks, np.full(blocks, 1 / blocks), size=DRAWS)
    grams = (draws @ system.gram.reshape(blocks, -1)).reshape(DRAWS, unknowns, unknowns)
    moments = draws @ system.moment + system.ridge * system.prior
    fits = np.linalg.solve(grams + np.diag(system.ridge), moments[:, :, None])[:, :, 0]
    covariance: Floats = np.atleast_2d(np.cov(fits, rowvar=False)) * blocks / max(blocks - 1, 1)
    return covariance


def _condition(gram: Floats) -> float:
    scale = 1 / np.sqrt(np.maximum(np.diag(gram), 1e-300))
    values = np.linalg.eigvalsh(gram * scale * scale[:, None])
    return math.sqrt(float(values[-1]) / max(float(values[0]), 1e-16 * float(values[-1])))
