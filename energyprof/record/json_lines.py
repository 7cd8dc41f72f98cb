"""On which line of a JSON text a value stands: looked for only once something is wrong with it.

``json`` reads without places, and fast; so a good file costs nothing here. What is not on the way to the
place is skipped by ``json`` itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from json import JSONDecoder
from typing import Any, Final

from energyprof.errors import UnknownName
from energyprof.record.decoding import Misfit, Place

__all__ = ["line_of_byte", "line_of_literal", "line_of_place", "misfit_words"]

_BLANK: Final = re.compile(r"[ \t\n\r]*")
_STRING_OR_LITERAL: Final = re.compile(r'"(?:[^"\\]|\\.)*"|([^\s\[\]{},:"]+)')
_SKIP: Final[Callable[[str, int], tuple[Any, int]]] = JSONDecoder(parse_int=str).raw_decode


def line_of_place(text: str, place: Place) -> int:
    """Return the line, counted from 1, of what a path of keys and positions leads to.

    Of a path that leads nowhere it is the line of the innermost table on the way: where the key is missing.

    Args:
        text: whole JSON.
        place: keys of tables and positions in lists.
    """
    at = start = _BLANK.match(text).end()  # type: ignore[union-attr]  # it matches nothing, too
    for step in place:
        if text[at] not in "{[":
            break
        found = [(begins, value) for key, begins, value in _entries(text, at) if key == step]
        if not found:
            break
        start, at = found[-1]  # of equal keys the last one counts, as for json
    return text.count("\n", 0, start) + 1


def line_of_literal(text: str, wanted: Callable[[str], bool]) -> int | None:
    """Return the line of the first number or word outside of strings that is ``wanted``, or None."""
    for token in _STRING_OR_LITERAL.finditer(text):
        if token[1] is not None and wanted(token[1]):
            return text.count("\n", 0, token.start()) + 1
    return None


def line_of_byte(error: UnicodeDecodeError) -> int:
    """Return the line of the byte that is not UTF-8."""
    return error.object.count(b"\n", 0, error.start) + 1


def misfit_words(misfit: Misfit) -> str:
    """Say what is wrong at a place: ``runs.0.id should be text, seen 5``; for an unknown key, what may be."""
    where = ".".join(map(str, misfit.path)) or "the document"
    if misfit.kind == "missing":
        return f"{where} is missing"
    if misfit.kind == "unknown":
        return f"{where}: {UnknownName('key', str(misfit.path[-1]), misfit.expected.split(', '))}"
    return f"{where} should be {misfit.expected}, seen {repr(misfit.seen)[:80]}"


def _entries(text: str, at: int) -> Iterator[tuple[str | int, int, int]]:
    """Yield key or position, where the entry begins and where its value does, of the table or list there."""
    table, position = text[at] == "{", 0
    at = _after(text, at + 1)
    while text[at] not in "}]":
        begins, key = at, position
        if table:
            key, at = _SKIP(text, at)
            at = _after(text, _after(text, at) + 1)
        yield key, begins, at
        at = _after(text, _SKIP(text, at)[1])
        position += 1
        if text[at] == ",":
            at = _after(text, at + 1)


def _after(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return at if blank is None else blank.end()
