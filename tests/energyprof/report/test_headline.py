from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from energyprof.analysis.comparison import Comparison, compare
from energyprof.record.model import Provenance, Quality, Quantity, Report
from energyprof.report.compare import render_comparison
from energyprof.report.headline import comparability_text, headline
from energyprof.report.markdown import comparison_markdown
from energyprof.report.verdicts import margin_text, rows_of
from energyprof.testing.sample_runs import Recipe, sample_run


@pytest.fixture(scope="module")
def plain() -> Report:
    return sample_run(Recipe(epochs=2, steps=10))[0]


def side(
    plain: Report,
    algo: str,
    joules: Sequence[float | None],
    accuracies: Sequence[float] = (),
    width: float = 0.001,
    source: Provenance = Provenance.COUNTER,
) -> list[Report]:
    """Return runs of an arm, all on a day of its own: not interleaved."""
    return [
        replace(
            plain,
            run=replace(
                plain.run, id=f"{algo}-{k}", seed=k, started_at=f"2026-01-{len(algo):02d}T00:{k:02d}:00Z"
            ),
            workload=replace(plain.workload, algo=algo, schedule=None),
            totals=replace(plain.totals, energy_j=energy(value, width, source), energy_by_domain_j={}),
            quality=Quality(test_accuracy=accuracies[k] if accuracies else None),
        )
        for k, value in enumerate(joules)
    ]


def energy(value: float | None, width: float, source: Provenance) -> Quantity:
    if value is None:
        return Quantity.missing()
    return Quantity(value=value, low=value * (1 - width), high=value * (1 + width), source=source)


def said(comparison: Comparison) -> str:
    (sentence,) = headline(comparison, comparison.groups[0])
    return sentence


def test_an_open_question_has_its_accuracy_in_a_clause_of_its_own(plain: Report) -> None:
    base = side(plain, "bp", (90.0, 100.0, 110.0), (0.95, 0.97, 0.99))
    head = side(plain, "mf", (88.0, 101.0, 108.0), (0.96, 0.983, 1.0))
    assert re.fullmatch(
        r"Whether mf uses less energy than bp cannot be told yet; "
        r"the mean accuracy of mf is 1\.1 points higher, which may be chance\."
        r"( About \d+ runs a side would decide\.)?",
        said(compare([*base, *head])),
    )


def test_a_difference_in_accuracy_beyond_its_interval_is_not_called_chance(plain: Report) -> None:
    base = side(plain, "bp", (99.0, 100.0, 101.0), (0.969, 0.970, 0.971))
    head = side(plain, "mf", (59.0, 60.0, 61.0), (0.949, 0.950, 0.951))
    assert said(compare([*base, *head])).endswith("; the mean accuracy of mf is 2.0 points lower.")


def test_single_runs_whose_bounds_allow_both_are_not_told_as_less(plain: Report) -> None:
    runs = [*side(plain, "bp", (100.0,), width=0.01), *side(plain, "mf", (99.0,), width=0.01)]
    assert said(compare(runs)) == (
        "Whether mf used less energy than bp cannot be told: the sensors' bounds are 0.970 to 1.010. "
        "One run on a side gives no interval."
    )


@pytest.mark.parametrize("joules", [100.0, 100.001])
def test_the_same_energy_is_not_told_as_no_more_of_it(plain: Report, joules: float) -> None:
    base, head = side(plain, "bp", (100.0, 100.0)), side(plain, "mf", (joules,))
    assert said(compare([*base, *head])) == (
        "mf and bp used the same energy within 0.1 % in the runs given. "
        "One run on a side gives no interval: this may be chance."
    )


@pytest.mark.parametrize(
    ("margin", "text"), [(0.05, "5 %"), (0.025, "2.5 %"), (0.07, "7 %"), (0.005, "0.5 %")]
)
def test_a_margin_is_told_as_it_was_given(plain: Report, margin: float, text: str) -> None:
    comparison = compare(
        [*side(plain, "bp", (99.99, 100.0, 100.01)), *side(plain, "mf", (99.99, 100.0, 100.01))],
        margin=margin,
    )
    assert margin_text(margin) == text
    assert said(comparison) == f"mf and bp used the same energy within {text}."
    assert rows_of(comparison, comparison.groups[0])[1].verdict == f"equal within {text}"


def test_no_difference_in_accuracy_has_no_sign(plain: Report) -> None:
    runs = [*side(plain, "bp", (100.0,), (0.97,)), *side(plain, "mf", (60.0,), (0.97 - 1e-12,))]
    comparison = compare(runs)
    assert rows_of(comparison, comparison.groups[0])[1].accuracy_change == "0.00 pp"


def test_one_run_is_told_in_the_singular(plain: Report) -> None:
    alone = compare(side(plain, "bp", (100.0,)))
    assert comparability_text(1) == "One run alone: there is nothing to compare."
    assert comparability_text(2) == "All 2 runs may be compared."
    assert said(alone) == "This is one run of one arm: name another one to hold it against."
    page = render_comparison(alone)
    assert "1 runs" not in page + comparison_markdown(alone)
    assert "<h1>Comparison of 1 run</h1>" in page


def test_a_long_sentence_is_whole_in_markdown(plain: Report) -> None:
    runs = [
        *side(plain, "bp", (99.0, 100.0, 101.0), (0.9, 0.91, 0.92), source=Provenance.ESTIMATED),
        *side(plain, "mf" + "x" * 60, (59.0, 60.0, 61.0), (0.8, 0.81, 0.82), source=Provenance.ESTIMATED),
    ]
    assert "not a measurement." in comparison_markdown(compare(runs))


_ODD = re.compile(r"None|nan|inf\b|\b1 runs\b|\b0\.0 %|  |\.\.|%%|% %|\d\.\d{4}")


def test_an_arm_whose_runs_share_a_seed_is_told(plain: Report) -> None:
    base, head = side(plain, "bp", (90.0, 91.0, 92.0)), side(plain, "mf", (80.0, 81.0, 82.0))
    head = [replace(report, run=replace(report.run, seed=0)) for report in head]
    for reports in (base + head, head):
        comparison = compare(reports)
        told = headline(comparison, comparison.groups[0])
        assert len(told) == 2
        assert told[1] == (
            "All 3 runs of mf have seed 0: they differ by the machine alone, and their interval says nothing "
            "of other seeds."
        )


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("factor", [0.04, 0.6, 0.97, 0.9999, 1.0, 1.0001, 1.05, 1.6, 15.0])
@pytest.mark.parametrize("spread", [0.0, 0.002, 0.05])
@pytest.mark.parametrize("source", [Provenance.COUNTER, Provenance.ESTIMATED])
def test_every_sentence_of_a_grid_of_cases_is_one(
    plain: Report, count: int, factor: float, spread: float, source: Provenance
) -> None:
    drift = [1 + spread * (k - (count - 1) / 2) for k in range(count)]
    for change in (None, 0.0, 0.004, 0.02, -0.0101):
        accuracies = (
            () if change is None else [0.9] * count,
            () if change is None else [0.9 + change] * count,
        )
        base = side(plain, "bp", [100 * d for d in drift], accuracies[0], source=source)
        head = side(plain, "mf", [100 * factor * d**2 for d in drift], accuracies[1], source=source)
        sentence = said(compare([*base, *head]))
        assert sentence[-1] == "."
        assert not _ODD.search(sentence), sentence
        assert sentence.count("Whether") + sentence.count(" used ") <= 2
