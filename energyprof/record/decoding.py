"""From JSON or TOML values to dataclasses, with every misfit and its place.

For what must start at once: ``energyprof check`` reads budgets, baselines and fifty reports before pydantic
would have been imported (0.13 s). Nothing is guessed: a number in quotes is text, ``true`` is no number.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Final, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

__all__ = ["Misfit", "Place", "decode"]

T = TypeVar("T")
Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """A value that does not fit.

    Attributes:
        path: keys and positions that lead to it.
        kind: ``unknown`` key, ``missing`` key, or ``wrong`` value.
        expected: what would have fitted, in words; for an unknown key the known ones.
        seen: the value.
    """

    path: Place
    kind: Literal["unknown", "missing", "wrong"]
    expected: str
    seen: Any = None


_Misfits = list[Misfit]
_Decoder = Callable[[Any, Place, _Misfits], Any]
_BAD: Final[Any] = object()


def decode(kind: type[T], data: Any, *, refuse_unknown: bool = False) -> tuple[T | None, list[Misfit]]:
    """Make a dataclass from plain values.

    Args:
        kind: a dataclass; its annotations say what fits: dataclasses, enums, literals, str, bool, int, finite
            float, ``Any``, unions of these, ``tuple[X, ...]``, ``list[X]``, ``Mapping[str, X]``.
        data: from ``json.loads`` or ``tomllib.loads``.
        refuse_unknown: whether a key that the dataclass does not have is a misfit.

    Returns:
        The dataclass and no misfits, or None and all of them.
    """
    misfits: _Misfits = []
    found = _decoder(cast(Any, kind), refuse_unknown)(data, (), misfits)
    return (None, misfits) if misfits else (found, [])


@cache
def _decoder(hint: Any, strict: bool) -> _Decoder:
    origin, arguments = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        return _table(hint, strict)
    if origin in (Union, types.UnionType):
        return _union(arguments, strict)
    if origin is Literal:
        return _choice(dict(zip(arguments, arguments, strict=True)))
    if origin in (tuple, list):
        return _sequence(origin, _decoder(arguments[0], strict))
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(_decoder(arguments[1], strict))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _choice({member.value: member for member in hint})
    return _SCALARS[hint]


def _table(kind: Any, strict: bool) -> _Decoder:
    hints = get_type_hints(kind)
    decoders = [(f.name, _plain_types(hints[f.name]), _decoder(hints[f.name], strict)) for f in fields(kind)]
    needed = [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]
    names = {field.name for field in fields(kind)}
    known = ", ".join(sorted(names))

    def decode_table(data: Any, path: Place, misfits: _Misfits) -> Any:
        if not isinstance(data, dict):
            return _wrong(data, path, misfits, "a table")
        before, values = len(misfits), {}
        for name, plain, read in decoders:
            if name in data:
                value = data[name]
                kind_of = type(value)
                fits = kind_of in plain and (kind_of is not float or value - value == 0)  # inf - inf is NaN
                values[name] = value if fits else read(value, (*path, name), misfits)
        for name in needed:
            if name not in data:
                misfits.append(Misfit(path=(*path, name), kind="missing", expected=name))
        if strict:
            for name in data.keys() - names:
                misfits.append(Misfit(path=(*path, name), kind="unknown", expected=known))
        return kind(**values) if len(misfits) == before else _BAD

    return decode_table


def _plain_types(hint: Any) -> frozenset[type]:
    """Return the types whose values fit a hint as they are (floats where finite): most of a report's."""
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return frozenset(option for option in options if option in (str, int, bool, float, type(None)))


def _union(options: tuple[Any, ...], strict: bool) -> _Decoder:
    decoders = [_decoder(option, strict) for option in options if option is not type(None)]
    none_fits = type(None) in options

    def decode_union(data: Any, path: Place, misfits: _Misfits) -> Any:
        if data is None and none_fits:
            return None
        attempts: list[_Misfits] = []
        for read in decoders:
            attempt: _Misfits = []
            found = read(data, path, attempt)
            if not attempt:
                return found
            attempts.append(attempt)
        if len(attempts) == 1:
            misfits.extend(attempts[0])
            return _BAD
        expected = " or ".join(dict.fromkeys(misfit.expected for attempt in attempts for misfit in attempt))
        return _wrong(data, path, misfits, expected)

    return decode_union


def _choice(options: dict[Any, Any]) -> _Decoder:
    expected = "one of " + ", ".join(map(str, options)) if len(options) > 1 else f"'{next(iter(options))}'"

    def decode_choice(data: Any, path: Place, misfits: _Misfits) -> Any:
        if isinstance(data, str) and data in options:
            return options[data]
        return _wrong(data, path, misfits, expected)

    return decode_choice


def _sequence(kind: Any, read: _Decoder) -> _Decoder:
    def decode_sequence(data: Any, path: Place, misfits: _Misfits) -> Any:
        if not isinstance(data, list):
            return _wrong(data, path, misfits, "a list")
        return kind([read(item, (*path, position), misfits) for position, item in enumerate(data)])

    return decode_sequence


def _mapping(read: _Decoder) -> _Decoder:
    def decode_mapping(data: Any, path: Place, misfits: _Misfits) -> Any:
        if not isinstance(data, dict):
            return _wrong(data, path, misfits, "a table")
        return {key: read(value, (*path, key), misfits) for key, value in data.items()}

    return decode_mapping


def _float(data: Any, path: Place, misfits: _Misfits) -> Any:
    if isinstance(data, int | float) and not isinstance(data, bool):
        try:
            value = float(data)
        except OverflowError:
            value = math.inf
        if math.isfinite(value):
            return value
    return _wrong(data, path, misfits, "a finite number")


def _int(data: Any, path: Place, misfits: _Misfits) -> Any:
    if isinstance(data, int) and not isinstance(data, bool):
        return data
    if isinstance(data, float) and data.is_integer():
        return int(data)
    return _wrong(data, path, misfits, "a whole number")


def _str(data: Any, path: Place, misfits: _Misfits) -> Any:
    return data if isinstance(data, str) else _wrong(data, path, misfits, "text")


def _bool(data: Any, path: Place, misfits: _Misfits) -> Any:
    return data if isinstance(data, bool) else _wrong(data, path, misfits, "true or false")


def _any(data: Any, _path: Place, _misfits: _Misfits) -> Any:
    return data


_SCALARS: Final[dict[Any, _Decoder]] = {Any: _any, bool: _bool, float: _float, int: _int, str: _str}


def _wrong(data: Any, path: Place, misfits: _Misfits, expected: str) -> Any:
    misfits.append(Misfit(path=path, kind="wrong", expected=expected, seen=data))
    return _BAD
