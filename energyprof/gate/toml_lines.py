"""On which line of a TOML file a key stands; ``tomllib`` gives values and no places.

The scan follows headers, arrays of tables, dotted and quoted keys, multi-line strings and arrays. Keys inside
an inline table share the line of the table. What it cannot follow it leaves out: a missing line makes a
message less precise, never wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["KeyPath", "key_lines", "line_of"]

KeyPath = tuple[str | int, ...]

_PART: Final = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_KEY: Final = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER: Final = re.compile(rf"\s*(\[\[?)\s*({_KEY})\s*(\]\]?)\s*(?:#.*)?$")
_ASSIGNMENT: Final = re.compile(rf"\s*({_KEY})\s*=(.*)$", re.DOTALL)
_PARTS: Final = re.compile(_PART)
_TOKEN: Final = re.compile(r'"""|\'\'\'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*|[\[\]{}]', re.DOTALL)


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line, counted from 1, of each table header and key.

    Args:
        text: a TOML document that ``tomllib`` accepts.
    """
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    rows = text.split("\n")
    row = 0
    while row < len(rows):
        number = row + 1
        if header := _HEADER.match(rows[row]):
            table = _table(_parts(header[2]), header[1] == "[[", counts)
            lines.setdefault(table, number)
        elif assignment := _ASSIGNMENT.match(rows[row]):
            _note(lines, table, _parts(assignment[1]), number)
            row = _end_of_value(rows, row, assignment[2])
        row += 1
    return lines


def line_of(lines: Mapping[KeyPath, int], path: KeyPath) -> int | None:
    """Return the line of a key, or of the nearest table around it."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


def _parts(key: str) -> list[str]:
    return [part[1:-1] if part[0] in "\"'" else part for part in _PARTS.findall(key)]


def _table(parts: list[str], array: bool, counts: dict[KeyPath, int]) -> KeyPath:
    """Return the path of a header, with the index of the present element after each array's name."""
    path: KeyPath = ()
    for position, part in enumerate(parts):
        path = (*path, part)
        if array and position == len(parts) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def _note(lines: dict[KeyPath, int], table: KeyPath, parts: list[str], number: int) -> None:
    for length in range(1, len(parts) + 1):
        lines.setdefault((*table, *parts[:length]), number)


def _end_of_value(rows: list[str], row: int, rest: str) -> int:
    """Return the row on which a value ends, given what stands after its equals sign."""
    depth, closing, text = 0, "", rest
    while True:
        depth, closing = _scan(text, depth, closing)
        if (depth <= 0 and not closing) or row + 1 >= len(rows):
            return row
        row += 1
        text = rows[row]


def _scan(text: str, depth: int, closing: str) -> tuple[int, str]:
    """Follow one row: return the bracket depth and the quotes of a string that is still open."""
    position = 0
    while position < len(text):
        if closing:
            end = text.find(closing, position)
            if end < 0:
                return depth, closing
            position, closing = end + 3, ""
            continue
        token = _TOKEN.search(text, position)
        if token is None:
            break
        position = token.end()
        if token[0] in ('"""', "'''"):
            closing = token[0]
        elif token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
    return depth, closing
