from __future__ import annotations

import dataclasses
import math

import pytest

from energyprof.record.model import Flag, Provenance, Quantity, Report, Severity, Totals
from energyprof.report import words


def joules(value: float, low: float | None = None, high: float | None = None) -> Quantity:
    return Quantity(value=value, low=low, high=high, source=Provenance.COUNTER)


def test_bounds_are_told_only_where_they_show() -> None:
    assert words.range_text(joules(1830, 1820, 1850)) == "1.82 to 1.85 kJ"
    assert words.range_text(joules(500, 400, 1850)) == "400 J to 1.85 kJ"
    assert words.range_text(joules(1830, 1830, 1830)) == ""
    assert words.range_text(joules(1830)) == ""
    assert words.range_text(joules(1, -2, 2)) == "−2.00 to 2.00 J"


def test_two_ends_that_read_the_same_are_not_told() -> None:
    assert words.between_text(0.3970, 0.3972) == ""
    assert words.between_text(0.183, 0.184) == "183 to 184 mJ"
    assert words.between_text(None, 0.184) == ""


def test_a_figure_that_is_nothing_beside_its_bounds_has_no_digits() -> None:
    assert words.figure_text(joules(-152e-6, -18.7, 18.7)) == "0 J"
    assert words.figure_text(joules(-1.5, -18.7, 18.7)) == "−1.50 J"
    assert words.figure_text(joules(152e-6)) == "152 µJ"
    assert words.figure_text(Quantity.missing()) == words.DASH


def test_a_small_estimated_part_is_not_called_the_whole(bare: Report) -> None:
    def drawn(gpu_j: float, cpu_j: float) -> Report:
        estimated = Quantity(value=cpu_j, source=Provenance.ESTIMATED)
        total = Quantity(value=gpu_j + cpu_j, source=Provenance.ESTIMATED)
        domains = {"gpu:0": joules(gpu_j), "cpu": estimated}
        return dataclasses.replace(bare, totals=Totals(energy_j=total, energy_by_domain_j=domains))

    told = "Of the joules up to 2.5 % are a model's estimate; the rest was measured."
    assert words.estimated_text([drawn(345, 9), drawn(100, 0)]) == told
    assert words.estimated_text([drawn(345, 9)]) == told.replace("up to ", "")
    assert words.estimated_text([drawn(0, 9)]).startswith("The joules are a model's estimate")
    assert words.estimated_text([bare]) == ""


def test_joules_that_were_filled_in_are_not_called_measured(bare: Report) -> None:
    estimated = Quantity(value=10.0, source=Provenance.ESTIMATED)

    def drawn(filled_j: float, **domains: Quantity) -> Report:
        total = Quantity(value=100.0, source=words.worst_source([*domains.values()]))
        totals = Totals(energy_j=total, energy_by_domain_j=domains, filled_energy_j=filled_j)
        return dataclasses.replace(bare, totals=totals)

    rest = "filled in where a sensor could not be read; the rest was measured."
    assert words.estimated_text([drawn(15, gpu=joules(100))]) == f"Of the joules 15.0 % were {rest}"
    assert words.estimated_text([drawn(15, gpu=joules(90), cpu=estimated)]) == (
        f"Of the joules 10.0 % are a model's estimate and 15.0 % were {rest}"
    )
    assert words.estimated_text([drawn(0, gpu=joules(100))]) == ""
    assert words.estimated_text([drawn(0.01, gpu=joules(100))]) == ""


def test_a_missing_quantity_is_a_dash_and_never_zero() -> None:
    assert words.quantity_text(Quantity.missing()) == words.DASH
    assert words.half_width(Quantity.missing()) is None
    assert words.percent(None) == words.percent(math.nan) == words.plain(math.inf) == words.DASH


def test_a_sum_carries_the_worst_provenance_of_its_known_parts() -> None:
    estimated = Quantity(value=1.0, source=Provenance.ESTIMATED)
    assert words.worst_source([joules(1), estimated, Quantity.missing()]) is Provenance.ESTIMATED
    assert words.worst_source([]) is Provenance.MISSING


def test_points_have_a_sign_unless_they_are_none() -> None:
    assert [words.points_text(p) for p in (12.34, -4.0, 0.01, -0.01)] == ["+12.3", "−4.0", "0.0", "0.0"]


@pytest.mark.parametrize(("domain", "word"), [("gpu:0", "GPU 0"), ("cpu", "CPU"), ("npu:1", "npu 1")])
def test_domains_have_names(domain: str, word: str) -> None:
    assert words.domain_word(domain) == word


def test_what_cannot_be_shown_is_taken_out_and_long_texts_are_cut() -> None:
    shown = words.printable("a\x1b[31m\u202eb\nc" + "L" * 1000, 20)
    assert len(shown) == 20
    assert shown.isprintable()
    assert words.printable("\U0001f468\u200d\U0001f4bb") == "\U0001f468\u200d\U0001f4bb"


def test_settings_are_one_line_whatever_they_are() -> None:
    assert words.setting_text({"a": [1, 2.5], "b": None}) == "a = 1, 2.5, b = none"
    assert words.setting_text([]) == words.setting_text({}) == "none"


def test_counts_have_their_plural() -> None:
    assert words.counted(1, "step") == "1 step"
    assert words.counted(1797, "step") == "1,797 steps"


def test_the_reason_of_a_missing_figure_comes_from_its_flag(bare: Report) -> None:
    flag = Flag(
        code="missing-value",
        severity=Severity.INFO,
        message="totals.flops is not known: operations were not counted.",
        field="totals.flops",
    )
    report = dataclasses.replace(bare, flags=(flag,))
    assert words.reason_for(report, "totals.flops", "?") == "operations were not counted"
    assert words.reason_for(report, "totals.co2e_kg", "nobody knows") == "nobody knows"
