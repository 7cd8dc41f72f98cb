"""What training code says of itself, looked at when it is said: what could not be read back is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from energyprof.errors import UnknownName, UsageError
from energyprof.record.json_lines import misfit_words
from energyprof.record.model import WINDOW_PARTS, Environment, MemoryByCause, Totals, Workload
from energyprof.record.schema import misfits_of

__all__ = ["PLACE_FACTS", "WORK_FACTS", "checked_accounts", "checked_facts", "checked_scalars"]

#: Facts of where it is computed, and of what.
PLACE_FACTS: Final = ("device", "threads", "flush_denormal", "keeps_freed_memory")
WORK_FACTS: Final = tuple(field.name for field in fields(Workload))


def checked_facts(facts: Mapping[str, Any]) -> None:
    """Refuse what ``describe`` cannot keep.

    Raises:
        UnknownName: a field that the record does not have.
        UsageError: a value that its field cannot hold.
    """
    for name in facts:
        if name not in WORK_FACTS and name not in PLACE_FACTS:
            raise UnknownName("fact", name, (*WORK_FACTS, *PLACE_FACTS))
    work = {name: value for name, value in facts.items() if name in WORK_FACTS}
    _refuse_misfit("describe", Workload, work)
    _refuse_misfit("describe", Environment, {name: facts[name] for name in facts if name not in work})


def checked_accounts(
    flops: float | None,
    memory: MemoryByCause | None,
    peak_device_memory_bytes: int | None,
    includes: Sequence[str] | None,
) -> dict[str, Any]:
    """Return what ``account`` was told, under the names that it is kept by; None says nothing.

    Raises:
        UnknownName: the window is said to include something else than there is.
        UsageError: a figure that cannot be meant.
    """
    figures = {"flops": flops, "peak_device_memory_bytes": peak_device_memory_bytes}
    _refuse_misfit("account", Totals, figures)
    for name, figure in figures.items():
        if figure is not None and not 0 <= figure < math.inf:
            raise UsageError(f"account: {name} is {figure}: give a number from 0 on, or leave it out")
    if memory is not None and not isinstance(memory, MemoryByCause):
        raise UsageError(f"account: memory is {memory!r}: give an energyprof.MemoryByCause")
    if isinstance(includes, str):
        raise UsageError(f"account: includes is '{includes}': give a list of parts, such as ['{includes}']")
    for part in includes or ():
        if part not in WINDOW_PARTS:
            raise UnknownName("part of the window", str(part), WINDOW_PARTS)
    told = {"flops": flops, "memory": memory, "peak": peak_device_memory_bytes, "includes": includes}
    return {name: value for name, value in told.items() if value is not None}


def checked_scalars(values: Mapping[str, Any]) -> dict[str, float]:
    """Return what is to be logged as numbers; None, which was not measured, as one that is not.

    Raises:
        UsageError: something that is no number.
    """
    return {name: _number(name, value) for name, value in values.items()}


def _number(name: str, value: Any) -> float:
    try:
        if isinstance(value, str | bytes):  # of which float() would make a number here and there
            raise TypeError
        return math.nan if value is None else float(value)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"log({name}={repr(value)[:60]}): give a number, or None where there is none"
        ) from error


def _refuse_misfit(said_by: str, kind: type, values: Mapping[str, Any]) -> None:
    misfits = misfits_of(kind, values)
    if misfits:
        raise UsageError(f"{said_by}: {misfit_words(misfits[0])}")
