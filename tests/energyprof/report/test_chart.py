from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from energyprof.report.chart import Label, Scale, axis, band, bars, dot, line, plot, series_class


@settings(max_examples=100, deadline=None)
@given(values=st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20), zero=st.booleans())
def test_a_linear_axis_holds_its_values_and_a_handful_of_ticks(values: list[float], zero: bool) -> None:
    made = axis(values, "x", zero=zero)
    room = 1e-6 * max(1.0, *map(abs, values))
    assert made.scale.low <= min(values) + room
    assert made.scale.high >= max(values) - room
    assert 2 <= len(made.ticks) <= 14


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=20))
def test_a_logarithmic_axis_holds_its_values(values: list[float]) -> None:
    made = axis(values, "x", log=True)
    assert all(-1e-9 <= made.scale.at(v) <= 1 + 1e-9 for v in values)
    assert made.ticks


def test_ticks_carry_one_prefix_that_stands_in_the_title() -> None:
    made = axis([0.0, 1800.0], "energy", "J", zero=True)
    assert made.title == "energy, kJ"
    assert [text for _, text in made.ticks] == ["0.0", "0.5", "1.0", "1.5", "2.0"]


def test_ticks_a_quarter_apart_show_as_many_decimals_as_they_need() -> None:
    texts = [text for _, text in axis([0.85, 0.95], "accuracy", "%").ticks]
    assert len(set(texts)) == len(texts)
    assert "87.5" in [text for _, text in axis([0.85, 0.97], "accuracy", "%").ticks]


@pytest.mark.parametrize("values", [[], [math.nan], [math.inf, -math.inf]])
def test_an_axis_of_nothing_finite_is_still_an_axis(values: list[float]) -> None:
    assert axis(values, "x").ticks
    assert axis(values, "x", log=True).ticks


def test_a_scale_of_no_width_puts_all_in_the_middle() -> None:
    assert Scale(low=1.0, high=1.0).at(1.0) == 0.5


def test_long_durations_are_told_in_larger_units() -> None:
    assert axis([0.0, 864_000.0], "time", "s").title == "time, days"
    assert axis([0.0, 3600.0], "time", "s").title == "time, min"


def test_a_line_breaks_where_a_value_is_missing() -> None:
    x, y = axis([0, 3], "x"), axis([0, 3], "y")
    assert line(x, y, [0, 1, 2, 3], [0, math.nan, 2, 3], "s1").count("M") == 2


def test_words_in_a_chart_are_escaped_and_made_inert() -> None:
    x, y = axis([0, 1], "<x>"), axis([0, 1], "y")
    marks = [
        dot(x, y, 0, 0, "s1", "<b>\u202e"),
        band(x, y, [0, 1], [0, 0], [1, 1], "s1"),
        bars(x, y, [0, 1], [1], "f"),
    ]
    text = plot(x, y, marks, label='"><script>', labels=[Label(x=0, y=0, text="<i>")])
    assert isinstance(text, Markup)
    for part in ("<b>", "<script>", "<i>", "<x>", "\u202e"):
        assert part not in text


def test_more_than_five_series_differ_by_dashes() -> None:
    assert len({series_class(k) for k in range(15)}) == 15


def test_a_path_goes_through_its_points() -> None:
    x, y = axis([0, 10], "x"), axis([0, 10], "y")
    assert 'd="M0 1000l500-500 500 250"' in line(x, y, [0, 5, 10], [0, 5, 2.5], "s1")
    assert 'd="M0 1000l500 0 0-500"' in line(x, y, [0, 5], [0, 5], "s1", stairs=True)
    assert 'd="M0 0l1000 0 0 1000 -1000 0Z"' in band(x, y, [0, 10], [0, 0], [10, 10], "s1")
