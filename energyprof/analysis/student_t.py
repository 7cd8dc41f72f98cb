"""Student's t distribution from the standard library alone: tail, cumulative probability, quantile.

The gate must start in a fraction of a second, which rules out scipy at run time (0.5 s to import). The tests
hold these functions against scipy.

Sources: Abramowitz & Stegun, Handbook of Mathematical Functions, 26.5.8 (continued fraction of the incomplete
beta function), 26.7.1 (t by incomplete beta), 26.2.23 (starting value of the normal quantile), 26.7.5 (t
quantile from the normal one, for very many degrees of freedom); Lentz's evaluation of continued fractions,
Applied Optics 15 (1976) 668.
"""

from __future__ import annotations

import math
from typing import Final

__all__ = ["t_cdf", "t_quantile", "t_tail"]

_MANY: Final = 1e6  # from here on the normal distribution with one correction term is exact to 1e-12
_TINY: Final = 1e-300
_LN_SQRT_2PI: Final = 0.5 * math.log(2 * math.pi)


def t_tail(t: float, df: float) -> float:
    """Return P(T > t) for ``df`` > 0 degrees of freedom (infinity gives the normal distribution)."""
    if not df > 0:
        raise ValueError(f"degrees of freedom must be positive, not {df}")
    if t < 0:
        return 1.0 - t_tail(-t, df)
    if math.isinf(t):
        return 0.0
    if df > _MANY:
        return 0.5 * math.erfc(_normal_equivalent(t, df) / math.sqrt(2))
    squared = t * t
    return 0.5 * _incomplete_beta(df / (df + squared), squared / (df + squared), df / 2, 0.5)


def t_cdf(t: float, df: float) -> float:
    """Return P(T <= t)."""
    return t_tail(-t, df)


def t_quantile(p: float, df: float) -> float:
    """Return t with P(T <= t) = p, for 0 < p < 1.

    Newton's method on the logarithm of the tail against the logarithm of t, where it is concave and close to
    a line at both extremes (power law in heavy tails), so that it cannot diverge.
    """
    if not 0 < p < 1:
        raise ValueError(f"a probability must lie between 0 and 1, not {p}")
    if p == 0.5:
        return 0.0
    if p > 0.5:
        return -t_quantile(1 - p, df)
    log_t = math.log(_starting_value(p, df))
    for _ in range(100):
        t = math.exp(log_t)
        tail = t_tail(t, df)
        if tail <= 0:  # so far out that the tail underflows: come back
            log_t /= 2
            continue
        step = math.log(tail / p) * tail / (t * _density(t, df))
        log_t += step
        if abs(step) < 1e-14:
            break
    return -math.exp(log_t)


def _starting_value(p: float, df: float) -> float:
    if df < 2.5:  # exact for two degrees of freedom
        return (1 - 2 * p) / math.sqrt(2 * p * (1 - p))
    w = math.sqrt(-2 * math.log(p))
    z = w - (2.515517 + 0.802853 * w + 0.010328 * w * w) / (
        1 + 1.432788 * w + 0.189269 * w * w + 0.001308 * w**3
    )
    z = max(z, 1e-3)
    return z + (z**3 + z) / (4 * df)


def _density(t: float, df: float) -> float:
    if df > _MANY:
        return math.exp(-0.5 * t * t - _LN_SQRT_2PI)
    log_scale = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi)
    return math.exp(log_scale - (df + 1) / 2 * math.log1p(t * t / df))


def _normal_equivalent(t: float, df: float) -> float:
    """Return z with P(Z > z) = P(T > t) to first order in 1/df."""
    return t if math.isinf(df) else t - (t**3 + t) / (4 * df)


def _incomplete_beta(x: float, complement: float, a: float, b: float) -> float:
    """Return I_x(a, b); ``complement`` is 1 - x, given apart because it may be far smaller than rounding."""
    if x <= 0:
        return 0.0
    if complement <= 0:
        return 1.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    log_front += a * math.log(x) + b * math.log(complement)
    if x < (a + 1) / (a + b + 2):
        return math.exp(log_front) * _continued_fraction(x, a, b) / a
    return 1 - math.exp(log_front) * _continued_fraction(complement, b, a) / b


def _continued_fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    result = d
    for m in range(1, 5000):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away_from_zero(1 + numerator * d)
            c = _away_from_zero(1 + numerator / c)
            result *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return result


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
