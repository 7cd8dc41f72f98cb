from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.record.decoding import Misfit, decode
from energyprof.record.model import Report
from energyprof.record.schema import render_report


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    value: float
    colour: Colour = Colour.RED


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    name: str
    count: int = 0
    share: float | None = None
    flag: bool = False
    level: Literal["off", "on"] = "off"
    amount: int | float | str | None = None
    inner: Inner | None = None
    many: tuple[Inner, ...] = ()
    words: list[str] = field(default_factory=list)
    table: Mapping[str, float] = field(default_factory=dict)
    free: Any = None


def only(data: dict[str, Any], **options: Any) -> Misfit:
    found, misfits = decode(Outer, {"name": "x", **data}, **options)
    assert found is None
    (misfit,) = misfits
    return misfit


def test_values_that_fit_become_the_dataclass() -> None:
    data = {
        "name": "x", "count": 3.0, "share": 1, "level": "on", "amount": "5%", "inner": {"value": 1.5},
        "many": [{"value": 2, "colour": "red"}], "words": ["a"], "table": {"k": 2}, "free": [None, {}],
    }  # fmt: skip
    found, misfits = decode(Outer, data)
    assert misfits == []
    assert found == Outer(
        name="x", count=3, share=1.0, level="on", amount="5%", inner=Inner(value=1.5),
        many=(Inner(value=2.0),), words=["a"], table={"k": 2.0}, free=[None, {}],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("data", "path", "expected"),
    [
        ({"count": True}, ("count",), "a whole number"),
        ({"count": 1.5}, ("count",), "a whole number"),
        ({"share": "1"}, ("share",), "a finite number"),
        ({"share": False}, ("share",), "a finite number"),
        ({"share": float("inf")}, ("share",), "a finite number"),
        ({"share": float("nan")}, ("share",), "a finite number"),
        ({"share": 10**400}, ("share",), "a finite number"),
        ({"flag": 1}, ("flag",), "true or false"),
        ({"level": "maybe"}, ("level",), "one of off, on"),
        ({"level": []}, ("level",), "one of off, on"),
        ({"amount": True}, ("amount",), "a whole number or a finite number or text"),
        ({"inner": 3}, ("inner",), "a table"),
        ({"inner": {"value": 1, "colour": "blue"}}, ("inner", "colour"), "'red'"),
        ({"many": [{"value": 1}, {"value": None}]}, ("many", 1, "value"), "a finite number"),
        ({"many": {}}, ("many",), "a list"),
        ({"words": [1]}, ("words", 0), "text"),
        ({"table": {"k": "v"}}, ("table", "k"), "a finite number"),
        ({"table": []}, ("table",), "a table"),
    ],
)
def test_a_misfit_says_where_and_what_would_have_fitted(
    data: dict[str, Any], path: tuple[str | int, ...], expected: str
) -> None:
    misfit = only(data)
    assert (misfit.path, misfit.kind, misfit.expected) == (path, "wrong", expected)


def test_missing_and_unknown_keys_are_misfits_of_their_own() -> None:
    assert decode(Outer, {})[1] == [Misfit(path=("name",), kind="missing", expected="name")]
    misfit = only({"inner": {"value": 1, "vlaue": 2}}, refuse_unknown=True)
    assert (misfit.path, misfit.kind, misfit.expected) == (("inner", "vlaue"), "unknown", "colour, value")
    assert decode(Outer, {"name": "x", "later": 1})[1] == []


def test_every_misfit_is_told() -> None:
    assert len(decode(Outer, {"name": 1, "count": "x", "words": [1, 2]})[1]) == 4
    assert decode(Outer, [])[1][0].path == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["name", *Outer.__slots__]), JSON))
@settings(max_examples=200, deadline=None)
def test_any_value_is_decoded_or_explained(data: dict[str, Any]) -> None:
    found, misfits = decode(Outer, data)
    assert (found is None) == bool(misfits)


def test_a_report_is_decoded_as_pydantic_does(report: Report) -> None:
    from pydantic import TypeAdapter

    data = json.loads(render_report(report))
    assert decode(Report, data) == (TypeAdapter(Report).validate_python(data), [])
