from __future__ import annotations

import dataclasses
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.analysis.comparison import compare
from energyprof.analysis.explanation import explain, profile_of
from energyprof.analysis.reaching import parse_target
from energyprof.analysis.restopping import StoppingRule, restop
from energyprof.record.model import Report
from energyprof.record.trace import Trace
from energyprof.report.comparison_json import comparison_json, explanation_json, restop_json
from energyprof.report.headline import headline
from energyprof.report.latex import comparison_latex, escape_latex
from energyprof.report.markdown import comparison_markdown, escape_markdown
from energyprof.report.verdicts import rows_of

Runs = dict[str, tuple[Report, Trace]]


def test_json_holds_every_figure_and_no_nan(studied: list[Report]) -> None:
    found = comparison_json(compare(studied, target=parse_target("validation_accuracy>=0.9")))
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text) == found
    assert found["schema"] == "energyprof.comparison/1"
    arm = found["groups"][0]["arms"][1]
    assert arm["ratios"]["energy_j"]["verdict"] == "less"
    assert arm["reached"] == 3


def test_json_of_runs_without_energy_has_nulls(runs: Runs) -> None:
    found = comparison_json(compare([runs["no-sensor"][0]]))
    assert found["groups"][0]["arms"][0]["figures"]["energy_j"]["value"] is None


def test_explanations_and_other_rules_have_json(studied: list[Report]) -> None:
    explained = explanation_json(explain(profile_of(studied[1:2], "mf"), profile_of(studied[:1], "bp")))
    assert sum(term["log"] for term in explained["factors"]) == pytest.approx(
        sum(term["log"] for term in explained["phases"])
    )
    rerun = restop_json([restop(studied[0], StoppingRule(patience=2))])
    assert rerun["runs"][0]["epochs"] == 5


def test_markdown_is_a_table_a_group(studied: list[Report], runs: Runs) -> None:
    text = comparison_markdown(compare([*studied, runs["cpu"][0]]))
    assert text.count("| Learner |") == 2
    assert "must not be ranked together" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.count(" | ") == rows[0].count(" | ") for line in rows if "---" not in line)


@settings(max_examples=80, deadline=None)
@given(text=st.text(max_size=80))
def test_markdown_of_any_text_is_one_inert_line(text: str) -> None:
    escaped = escape_markdown(text)
    assert "\n" not in escaped
    assert not re.search(r"(?<!\\)[<>`\[\]|@*_]", escaped.replace("\\\\", ""))


@settings(max_examples=80, deadline=None)
@given(text=st.text(max_size=80))
def test_latex_of_any_text_opens_no_command(text: str) -> None:
    escaped = escape_latex(text)
    for known in re.findall(r"\\[a-z]+\{\}|\\[{}$&#%_]", escaped):
        escaped = escaped.replace(known, "", 1)
    assert not re.search(r"[\\{}$&#%_~^\n]", escaped)


def test_hostile_names_are_inert_in_markdown_and_latex(runs: Runs) -> None:
    comparison = compare([runs["hostile"][0]])
    markdown, latex = comparison_markdown(comparison), comparison_latex(comparison)
    assert "<script" not in markdown.replace("\\<", "")
    assert "\\input{" not in latex
    assert len(markdown) < 20_000


def test_latex_is_a_table_with_booktabs_rules(studied: list[Report]) -> None:
    text = comparison_latex(compare(studied, target=parse_target("validation_accuracy>=0.9")))
    for part in (r"\toprule", r"\midrule", r"\bottomrule", r"\caption{", r"\label{tab:energy-1}"):
        assert part in text
    rows = re.findall(r"^    .*\\\\$", text, re.MULTILINE)
    assert len({row.count("&") for row in rows}) == 1
    assert text.count("{") == text.count("}")


def test_an_estimate_is_named_in_every_output(runs: Runs) -> None:
    report = runs["cpu"][0]
    info = dataclasses.replace(report.run, id="other")
    work = dataclasses.replace(report.workload, algo="bp")
    comparison = compare([report, dataclasses.replace(report, run=info, workload=work)])
    assert (
        "The joules are a model's estimate, not a measurement."
        in headline(comparison, comparison.groups[0])[0]
    )
    assert "a model's estimate, not a measurement" in comparison_latex(comparison)


def test_a_target_that_none_reached_is_said(studied: list[Report]) -> None:
    comparison = compare(studied, target=parse_target("validation_accuracy>=0.999"))
    rows = rows_of(comparison, comparison.groups[0])
    assert {row.to_target for row in rows} == {"not reached by any of 3"}


def with_accuracy(report: Report, name: str, accuracy: float) -> Report:
    """Return a run of another arm with this accuracy."""
    return dataclasses.replace(
        report,
        run=dataclasses.replace(report.run, id=name),
        workload=dataclasses.replace(report.workload, algo=name),
        quality=dataclasses.replace(report.quality, test_accuracy=accuracy),
    )


@pytest.mark.parametrize(
    ("accuracy", "said"),
    [
        (0.80, "; the accuracy of ff is 17.0 points lower."),
        (0.99, "; the accuracy of ff is 2.0 points higher."),
        (0.971, "; the accuracies are within 0.5 points."),
    ],
)
def test_a_saving_is_told_with_what_it_cost_in_accuracy(runs: Runs, accuracy: float, said: str) -> None:
    base = with_accuracy(runs["gpu"][0], "bp", 0.97)
    comparison = compare([base, with_accuracy(runs["gpu"][0], "ff", accuracy)])
    assert said in headline(comparison, comparison.groups[0])[0]
