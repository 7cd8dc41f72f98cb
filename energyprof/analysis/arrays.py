"""Array types of the analysis, and the one place where nanoseconds become seconds."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "NS",
    "Bools",
    "Floats",
    "Ints",
    "Times",
    "distinct",
    "nanoseconds",
    "seconds",
    "seconds_between",
    "sum_by",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Times = NDArray[np.int64]  # nanoseconds since recording started

NS: Final = 1e-9  # seconds a nanosecond


def seconds(time_ns: Times) -> Floats:
    """Return times in seconds since recording started; exact to a nanosecond for 100 days."""
    return np.multiply(time_ns, NS, dtype=np.float64)


def seconds_between(start_ns: Times | int, end_ns: Times) -> Floats:
    """Return the lengths of windows in seconds; exact to a nanosecond for 100 days."""
    lengths: Floats = np.subtract(end_ns, start_ns, dtype=np.float64)
    lengths *= NS
    return lengths


def nanoseconds(time_s: Floats) -> Times:
    """Return times in whole nanoseconds: to look them up among integers without a copy of these as floats."""
    return np.rint(np.divide(time_s, NS)).astype(np.int64)


def distinct(values: Floats) -> Floats:
    """Return the values in order, each once; by sorting, which is fast where they are nearly in order."""
    ordered = np.sort(values, kind="stable")
    once: Floats = ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])]
    return once


def sum_by(label: NDArray[np.integer[Any]], weights: Floats, count: int) -> Floats:
    """Return (count,) sums of ``weights`` by label."""
    return np.bincount(label, weights=weights, minlength=count).astype(np.float64, copy=False)
