"""Data on their way into a page: JSON that cannot end its script, and long series made small.

A packed series is quantised to a declared resolution, delta coded, zigzag folded to unsigned integers, split
into byte planes, deflated and written as base64; the page undoes it with the browser's
``DecompressionStream``.
"""

from __future__ import annotations

import base64
import json
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Buckets", "bucket", "json_for_html", "jsonable", "pack", "thin", "unpack"]

_ESCAPES: Final = {
    ord("<"): "\\u003c",
    ord(">"): "\\u003e",
    ord("&"): "\\u0026",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_LARGEST_CODE: Final = 2**52  # doubles, which the page decodes to, are exact below


def jsonable(value: Any) -> Any:
    """Return a value made of JSON types only; what is not finite becomes None.

    Accepts mappings, sequences, enums, numpy scalars and arrays; anything else is written as its string.
    """
    if value is None or (isinstance(value, bool | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return jsonable(value.value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return [jsonable(item) for item in value.tolist()]
    if isinstance(value, Sequence):
        return [jsonable(item) for item in value]
    return str(value)


def json_for_html(value: Any) -> str:
    """Render a value as JSON that is inert inside ``<script>``.

    Escapes ``<``, ``>``, ``&`` and the two line separators that end a line of JavaScript; lone surrogates are
    written as escapes too, so that the page can always be encoded as UTF-8.
    """
    text = json.dumps(jsonable(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text.translate(_ESCAPES))


def pack(values: ArrayLike, resolution: float) -> dict[str, Any]:
    """Pack a series of numbers for the page.

    Args:
        values: (n,) numbers; NaN marks a missing value.
        resolution: the step to which values are rounded, in their own unit; coarsened where the largest value
            would not be exact in a double.

    Returns:
        ``n``, ``r`` (resolution), ``w`` (bytes a code), ``d`` (base64) and, where values are missing, ``m``:
        the packed positions of these.
    """
    array = np.asarray(values, np.float64)
    missing = np.flatnonzero(~np.isfinite(array))
    held = _hold(array, missing)
    largest = float(np.max(np.abs(held), initial=0.0))
    resolution = max(resolution, largest / _LARGEST_CODE)
    rounded = np.rint(held / resolution).astype(np.int64)
    codes = _zigzag(rounded - np.concatenate([[0], rounded[:-1]]))
    width = max(1, (int(codes.max(initial=np.uint64(0))).bit_length() + 7) // 8)
    planes = codes.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :width].T
    data = base64.b64encode(zlib.compress(np.ascontiguousarray(planes).tobytes(), 9)).decode("ascii")
    packed: dict[str, Any] = {"n": len(array), "r": resolution, "w": width, "d": data}
    if len(missing):
        packed["m"] = pack(missing, 1.0)
    return packed


def unpack(packed: Mapping[str, Any]) -> NDArray[np.float64]:
    """Undo :func:`pack`, to within half the resolution; what the page does, in Python."""
    count, width = int(packed["n"]), int(packed["w"])
    raw = np.frombuffer(zlib.decompress(base64.b64decode(packed["d"])), np.uint8).reshape(width, count)
    codes = np.zeros(count, np.uint64)
    for plane in range(width):
        codes |= raw[plane].astype(np.uint64) << np.uint64(8 * plane)
    deltas = (codes >> np.uint64(1)).astype(np.int64) ^ -(codes & np.uint64(1)).astype(np.int64)
    values = np.cumsum(deltas).astype(np.float64) * float(packed["r"])
    if "m" in packed:
        values[unpack(packed["m"]).astype(np.int64)] = np.nan
    return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """A series reduced to its least, mean and greatest value a bucket of ``size`` neighbours."""

    size: int
    position: NDArray[np.float64]  # (b,) mean position of each bucket
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def bucket(position: NDArray[np.float64], value: NDArray[np.float64], limit: int) -> Buckets:
    """Reduce a series to at most ``limit`` buckets that keep the extremes.

    No bucket reaches over a break: each stretch between breaks has buckets of its own, at most one of them
    above the limit, and a bucket of NaN stands where the break was.

    Args:
        position: (n,) times or step numbers.
        value: (n,) values; NaN breaks the series.
        limit: the greatest number of buckets.
    """
    if not len(value):
        empty = np.empty(0)
        return Buckets(size=1, position=empty, mean=empty, low=empty, high=empty)
    size = max(1, math.ceil(len(value) / limit))
    starts = _bucket_starts(np.isnan(value), size)
    counts = np.diff(np.append(starts, len(value)))
    return Buckets(
        size=size,
        position=np.add.reduceat(position, starts) / counts,
        mean=np.add.reduceat(value, starts) / counts,
        low=np.minimum.reduceat(value, starts),
        high=np.maximum.reduceat(value, starts),
    )


def thin(count: int, limit: int) -> NDArray[np.int64]:
    """Return at most ``limit`` indices spread evenly over ``count``, the first and the last among them."""
    if count <= limit:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, limit).round().astype(np.int64))


def _bucket_starts(broken: NDArray[np.bool_], size: int) -> NDArray[np.int64]:
    """Return where buckets of ``size`` begin, counted anew at each break and after it."""
    edge = np.flatnonzero(np.diff(broken, prepend=not broken[0]))
    order = np.arange(len(broken)) - np.repeat(edge, np.diff(np.append(edge, len(broken))))
    return np.flatnonzero(order % size == 0)


def _hold(array: NDArray[np.float64], missing: NDArray[np.int64]) -> NDArray[np.float64]:
    if not len(missing):
        return array
    last = np.where(np.isfinite(array), np.arange(len(array)), -1)
    np.maximum.accumulate(last, out=last)
    return np.where(last >= 0, array[np.maximum(last, 0)], 0.0)


def _zigzag(deltas: NDArray[np.int64]) -> NDArray[np.uint64]:
    return ((deltas << 1) ^ (deltas >> 63)).view(np.uint64)
