from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.record.json_lines import line_of_literal, line_of_place

TEXT = """
{
 "schema": "x/1", "note": "a \\"runs\\": [ { NaN \\u007b",
 "runs": [
  {"id": "a",
   "readings": {
    "energy_j": {"value": 1.5}
   }},
  { "id" : "b" , "id":
    5 }
 ],
 "empty": [], "none": {}
}
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ((), 2),
        (("schema",), 3),
        (("runs",), 4),
        (("runs", 0), 5),
        (("runs", 0, "readings", "energy_j", "value"), 7),
        (("runs", 0, "readings", "energy_j", "low"), 7),
        (("runs", 0, "digest"), 5),
        (("runs", 1), 9),
        (("runs", 1, "id"), 9),
        (("runs", 2), 4),
        (("empty", 0), 12),
        (("none", "x", "y"), 12),
        (("missing",), 2),
        (("schema", "deeper"), 3),
    ],
)
def test_a_place_has_the_line_of_its_key_and_a_missing_one_that_of_its_table(place: Any, line: int) -> None:
    assert line_of_place(TEXT, place) == line


def test_a_literal_is_looked_for_outside_of_strings() -> None:
    text = '{"a": "NaN",\n "NaN": "-Infinity \\" NaN",\n "b": [1,\n NaN]}'
    assert line_of_literal(text, lambda word: word == "NaN") == 4
    assert line_of_literal(text, lambda word: word == "-Infinity") is None


leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def places(value: Any, place: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(place, value), *(entry for key, item in inner for entry in places(item, (*place, key)))]


@settings(max_examples=100, deadline=None)
@given(values)
def test_every_place_of_any_document_is_found_on_the_line_it_was_written_on(document: Any) -> None:
    lines = json.dumps(document, indent=1).split("\n")
    found = [line_of_place("\n".join(lines), place) for place, _ in places(document)]
    assert found == sorted(found)
    for line, (place, value) in zip(found, places(document), strict=True):
        written = lines[line - 1].strip()
        if place and isinstance(place[-1], str):
            assert written.startswith(json.dumps(place[-1]) + ": ")
        if not isinstance(value, dict | list):
            assert written.rstrip(",").endswith(json.dumps(value))
