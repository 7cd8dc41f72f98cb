from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energyprof import units
from energyprof.errors import UsageError
from energyprof.units import (
    format_bytes,
    format_count,
    format_duration,
    format_energy,
    format_mass,
    is_bare_share,
    parse_quantity,
)


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("1.8 kJ", "J", 1800.0),
        ("2Wh", "J", 7200.0),
        ("2.5%", "fraction", 0.025),
        ("0.5 pp", "pp", 0.5),
        ("512 MiB", "B", 512 * 1024**2),
        ("3", "s", 3.0),
        ("-1e3 ms", "s", -1.0),
    ],
)
def test_quantities_are_read_into_their_canonical_unit(text: str, dimension: str, value: float) -> None:
    assert parse_quantity(text, dimension) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "dimension", "message"),
    [
        ("5 s", "J", "is in s, not in J"),
        ("5 jowls", "J", "unknown unit 'jowls'"),
        ("much", "J", "'much' is not a number with a unit: write for example '1.8 kJ'"),
        ("much", "fraction", "write for example '5%'"),
        ("5 J", "fraction", "'5 J' is in J, not in %: use %$"),
        ("1e999", "J", "is not finite"),
    ],
)
def test_a_quantity_that_cannot_be_meant_says_what_was_seen(text: str, dimension: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_quantity(text, dimension)


@pytest.mark.parametrize("dimension", sorted({kind for kind, _ in units._UNITS.values()}))
def test_the_example_of_every_dimension_is_one_that_is_read(dimension: str) -> None:
    with pytest.raises(UsageError, match=r"write for example '.*'$") as caught:
        parse_quantity("much", dimension)
    example = str(caught.value).rpartition("example ")[2].strip("'")
    assert parse_quantity(example, dimension) > 0


@pytest.mark.parametrize(
    ("text", "share", "bare"),
    [("5", 5.0, True), ("5.", 5.0, True), ("0.05", 0.05, False), ("500 %", 5.0, False)],
)
def test_a_share_from_one_on_needs_its_sign(text: str, share: float, bare: bool) -> None:
    assert is_bare_share(text, share) is bare


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0001234, "123 µJ"), (999.6, "1.00 kJ"), (1834.2, "1.83 kJ"), (0.0, "0 J"), (-5e6, "-5.00 MJ")],
)
def test_joules_are_rendered_with_three_digits_and_a_prefix(value: float, text: str) -> None:
    assert format_energy(value) == text


def test_durations_turn_into_minutes_hours_and_days() -> None:
    seen = [format_duration(s) for s in (0.0123, 59.96, 187, 7500, 900_000)]
    assert seen == ["12.3 ms", "60.0 s", "3 min 07 s", "2 h 05 min", "10 d 10 h"]


def test_bytes_masses_and_counts_are_rendered_for_people() -> None:
    assert format_bytes(40 * 1024**2) == "40.0 MiB"
    assert format_bytes(12) == "12 B"
    assert format_mass(1.23e-5) == "12.3 mg"
    assert format_count(1797) == "1,797"
    assert format_count(14_260_730) == "14.3 M"
    assert [format_count(loss) for loss in (0.263, 2.31, 0.0012, 0)] == ["0.263", "2.31", "0.0012", "0"]


@given(st.floats(min_value=1e-9, max_value=1e15))
def test_every_positive_energy_renders_close_to_itself(value: float) -> None:
    number, unit = format_energy(value).split()
    assert parse_quantity(f"{number} {unit.replace('GJ', 'MJ')}", "J") * (
        1e3 if unit == "GJ" else 1
    ) == pytest.approx(value, rel=6e-3, abs=6e-10)
