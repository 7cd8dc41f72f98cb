"""Flags in the order in which a reader should meet them, many of one kind gathered into one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from energyprof.record.model import Flag, Severity

__all__ = ["Gathered", "gathered"]

_ORDER: Final = (Severity.ERROR, Severity.WARNING, Severity.INFO)
_SHOWN: Final = 2  # flags of one kind that are shown one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """A flag, and the others of its kind that stand behind it (the same for other devices, mostly)."""

    flag: Flag
    others: tuple[Flag, ...] = ()


def gathered(flags: Iterable[Flag]) -> list[Gathered]:
    """Order flags by severity; more than two of one kind become one with the others behind it."""
    ordered = sorted(flags, key=lambda flag: _ORDER.index(flag.severity))
    kinds: dict[tuple[Severity, str, bool], list[Flag]] = {}
    for flag in ordered:
        kinds.setdefault((flag.severity, flag.code, flag.field is None), []).append(flag)
    found: list[Gathered] = []
    for members in kinds.values():
        if len(members) > _SHOWN and members[0].field is None:
            found.append(Gathered(flag=members[0], others=tuple(members[1:])))
        else:
            found += [Gathered(flag=flag) for flag in members]
    return found
