"""Settings of a learner: declared with meaning and source, read from ``key=value``, checked here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import NoneType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from energyprof.errors import UnknownName, UsageError

__all__ = ["LearnerConfig", "SettingInfo", "configure", "describe", "setting"]

T = TypeVar("T")
C = TypeVar("C", bound="LearnerConfig")

_WORDS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def setting(
    default: T,
    meaning: str,
    *,
    source: str | None = None,
    low: float | None = None,
    high: float | None = None,
    only_with: Mapping[str, str | tuple[str, ...]] | None = None,
) -> T:
    """Declare one setting of a config dataclass.

    Args:
        default: the value without an override.
        meaning: what it does, in one clause.
        source: where the default comes from (paper and section), or None where it is our choice.
        low: the least allowed value, inclusive, or None.
        high: the greatest allowed value, inclusive, or None.
        only_with: other settings and their values, any one of which gives it something to do; None: it
            always has.
    """
    declared = {"source": source, "low": low, "high": high, "only_with": only_with}
    return field(default=default, metadata={"meaning": meaning, **declared})


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerConfig:
    """Base of all learners' settings: checks each value against its declared type, choices and range."""

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            UsageError: a value is of another type, not among the choices, not finite or out of range.
        """
        for info in describe(type(self)):
            _check(info, getattr(self, info.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingInfo:
    """One setting as a reader sees it: ``energyprof list algos`` and error messages are made from it."""

    name: str
    kind: Any  # float, int, bool, str or a Literal
    optional: bool  # may also be None, written "none"
    default: Any
    meaning: str
    source: str | None
    low: float | None
    high: float | None
    only_with: Mapping[str, str | tuple[str, ...]] | None = None

    @property
    def choices(self) -> tuple[str, ...]:
        """Return the names that may be chosen, or nothing for a free value."""
        return tuple(map(str, get_args(self.kind))) if get_origin(self.kind) is Literal else ()

    @property
    def wanted(self) -> str:
        """Say what a value must be: ``a number from 0 to 1``."""
        if self.choices:
            wanted = "one of " + ", ".join(self.choices)
        else:
            wanted = {float: "a number", int: "a whole number", bool: "true or false"}.get(
                self.kind, "a text"
            )
        if self.low is not None:
            wanted += f" from {self.low:g}" + (f" to {self.high:g}" if self.high is not None else " up")
        elif self.high is not None:
            wanted += f" up to {self.high:g}"
        return wanted + (" or none" if self.optional else "")


def describe(config: type[LearnerConfig]) -> tuple[SettingInfo, ...]:
    """List the settings of a config class in the order they are declared."""
    hints = get_type_hints(config)
    return tuple(_info(f.name, hints[f.name], f.default, f.metadata) for f in fields(config))


def configure(cls: type[C], overrides: Mapping[str, str]) -> C:
    """Build a config from ``key=value`` texts, as ``--set lr=1e-3`` gives them.

    Args:
        cls: the learner's config class.
        overrides: setting names to texts; a setting that is not named keeps its default.

    Raises:
        UnknownName: no such setting; the message names the nearest.
        UsageError: a value that cannot be read, is out of range or not among the choices, or a setting that
            does nothing beside the others.
    """
    infos = {info.name: info for info in describe(cls)}
    for name in overrides:
        if name not in infos:
            raise UnknownName(f"setting of {cls.__name__}", name, infos)
    config = cls(**{name: _read(infos[name], text) for name, text in overrides.items()})
    for name in overrides:
        _require_use(infos[name], config)
    return config


def _info(name: str, hint: Any, default: Any, metadata: Mapping[str, Any]) -> SettingInfo:
    kinds = [kind for kind in _alternatives(hint) if kind is not NoneType]
    declared = {key: metadata.get(key) for key in ("source", "low", "high", "only_with")}
    optional = len(kinds) < len(_alternatives(hint))
    meaning = metadata.get("meaning", "")
    return SettingInfo(
        name=name, kind=kinds[0], optional=optional, default=default, meaning=meaning, **declared
    )


def _alternatives(hint: Any) -> tuple[Any, ...]:
    from types import UnionType

    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _read(info: SettingInfo, text: str) -> Any:
    word = text.strip()
    if info.optional and word.lower() == "none":
        return None
    if info.choices or info.kind is str:
        return word
    try:
        return _WORDS[word.lower()] if info.kind is bool else info.kind(word)
    except (ValueError, KeyError):
        raise UsageError(f"{info.name}={text} cannot be read: {info.name} must be {info.wanted}") from None


def _require_use(info: SettingInfo, config: LearnerConfig) -> None:
    """Refuse a setting that was asked for and changes nothing: a comparison of its values would deceive."""
    needed = {
        name: (values,) if isinstance(values, str) else values
        for name, values in (info.only_with or {}).items()
    }
    if needed and all(getattr(config, name) not in values for name, values in needed.items()):
        seen = ", ".join(f"{name}={getattr(config, name)}" for name in needed)
        wanted = " or ".join(f"{name}={value}" for name, values in needed.items() for value in values)
        raise UsageError(
            f"{info.name}={getattr(config, info.name)} does nothing with {seen}: "
            f"leave it out, or set {wanted}"
        )


def _check(info: SettingInfo, value: Any) -> None:
    if value is None and info.optional:
        return
    if info.choices:
        fits = value in info.choices
    elif info.kind is float:
        fits = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    else:
        fits = type(value) is info.kind
    if fits and info.low is not None:
        fits = value >= info.low
    if fits and info.high is not None:
        fits = value <= info.high
    if not fits:
        raise UsageError(f"{info.name}={value} does not fit: {info.name} must be {info.wanted}")
