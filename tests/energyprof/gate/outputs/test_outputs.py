from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import jsonschema
import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from energyprof.gate.outputs import RENDERERS
from energyprof.gate.outputs.github import render_github
from energyprof.gate.outputs.junit import render_junit
from energyprof.gate.outputs.markdown import MARKER, render_markdown
from energyprof.gate.outputs.openmetrics import render_openmetrics
from energyprof.gate.outputs.terminal import render_terminal
from energyprof.gate.verdict import (
    BudgetVerdict,
    Effect,
    Outcome,
    RuleVerdict,
    RunNote,
    Verdict,
    render_verdict,
    verdict_json_schema,
    verdict_of,
    worst,
)

XSD = xmlschema.XMLSchema(str(Path(__file__).with_name("junit.xsd")))
HOSTILE = [
    "</script><script>alert(1)</script>",
    "a | b `c` **d** [e](f)",
    "line\nbreak\r\nand\ttab",
    "100% sure: yes, no",
    "quote \" ' backslash \\",
    "\x00\x1b[31m\x7f",
    "\u202eright to left",
    "😀" * 50,
    "x" * 10_000,
    "::error::injected",
]


def rule(
    outcome: Outcome, effect: Effect, metric: str = "energy_j", message: str = "a story", budget: str = "b"
) -> RuleVerdict:
    return RuleVerdict(
        budget=budget,
        metric=metric,
        rule="max_increase",
        outcome=outcome,
        effect=effect,
        level="error",
        enforced=True,
        message=message,
        line=7,
        limit=0.05,
        estimate=1.2,
        low=1.1,
        high=1.3,
        n_head=5,
        n_base=5,
    )


def verdict(*rules: RuleVerdict, notes: tuple[str, ...] = ()) -> Verdict:
    outcome, effect = worst(rules)
    budget = BudgetVerdict(
        name="b",
        why="because",
        outcome=outcome,
        effect=effect,
        line=3,
        rules=rules,
        head_runs=("r1", "r2"),
        excluded=tuple(RunNote(id=note, side="head", why=note) for note in notes),
        warnings=notes,
    )
    return verdict_of([budget], file="energyprof.toml", warnings=notes)


ALLOWED = [
    (outcome, effect)
    for outcome, effect in product(Outcome, Effect)
    if (outcome is Outcome.PASS) == (effect is Effect.OK) or effect is Effect.OK
]


def every_pair() -> Iterator[Verdict]:
    yield verdict()
    for first, second in product(ALLOWED, ALLOWED):
        yield verdict(rule(*first), rule(*second, metric="duration_s"))


def counts(text: str) -> dict[str, int]:
    root = ET.fromstring(text)
    return {name: sum(1 for _ in root.iter(name)) for name in ("testcase", "failure", "error", "skipped")} | {
        f"@{name}": int(root.get(name, "-1")) for name in ("tests", "failures", "errors")
    }


def test_junit_counts_markdown_sentence_and_exit_code_agree_in_every_case() -> None:
    for found in every_pair():
        text = render_junit(found)
        XSD.validate(text)
        seen = counts(text)
        assert (seen["@tests"], seen["@failures"], seen["@errors"]) == (
            seen["testcase"],
            seen["failure"],
            seen["error"],
        )
        assert (found.exit_code == 0) == (seen["failure"] + seen["error"] == 0)
        assert (found.exit_code == 1) == (seen["failure"] > 0)
        word = {0: ("PASS", "INCONCLUSIVE"), 1: ("FAIL",), 3: ("INCONCLUSIVE",), 4: ("INVALID",)}
        markdown = render_markdown(found)
        assert re.search(r"^\*\*(\w+): ", markdown, re.MULTILINE)[1] in word[found.exit_code]  # type: ignore[index]
        assert found.sentence.startswith(word[found.exit_code])
        assert render_terminal(found).startswith(word[found.exit_code])
        assert render_github(found).count("::error ") == seen["failure"] + seen["error"]


def test_an_inconclusive_rule_is_skipped_in_junit_unless_it_counts() -> None:
    assert counts(render_junit(verdict(rule(Outcome.INCONCLUSIVE, Effect.WARN))))["skipped"] == 1
    assert counts(render_junit(verdict(rule(Outcome.INCONCLUSIVE, Effect.ERROR))))["error"] == 1


def test_junit_tells_in_each_suite_what_concerns_the_whole_check() -> None:
    found = replace(verdict(rule(Outcome.PASS, Effect.OK)), warnings=("run r9 is left out",))
    XSD.validate(text := render_junit(found))
    assert [story.text for story in ET.fromstring(text).findall("testsuite/system-out")] == [
        "run r9 is left out"
    ]


def test_a_real_regression_is_a_failure_in_junit() -> None:
    text = render_junit(verdict(rule(Outcome.FAIL, Effect.ERROR)))
    assert counts(text)["@failures"] == 1
    assert ET.fromstring(text).find(".//failure").get("message") == "a story"  # type: ignore[union-attr]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_inert_in_every_output(text: str) -> None:
    found = verdict(
        rule(Outcome.FAIL, Effect.ERROR, metric=text, message=text, budget=text), notes=(text, text)
    )
    XSD.validate(render_junit(found))
    list(text_string_to_metric_families(render_openmetrics(found)))
    json.loads(render_verdict(found))
    markdown = render_markdown(found)
    assert "<script" not in markdown
    rows = [line for line in markdown.splitlines() if line.startswith("| ❌")]
    assert len(rows) == 1
    assert len(re.findall(r"(?<!\\)\|", rows[0])) == 5
    terminal = render_terminal(found)
    assert all(char.isprintable() or char == "\n" for char in terminal)
    (annotation,) = render_github(found).split("\n")[:-1]
    assert annotation.startswith("::error file=energyprof.toml,line=7,title=fail%3A ")


@given(st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_text_gives_valid_junit_json_and_openmetrics(name: str, message: str) -> None:
    found = verdict(rule(Outcome.FAIL, Effect.ERROR, metric=name, message=message))
    XSD.validate(render_junit(found))
    assert json.loads(render_verdict(found))["budgets"][0]["rules"][0]["metric"] == name
    list(text_string_to_metric_families(render_openmetrics(found)))
    assert "\n" not in render_github(found).rstrip("\n")


def test_markdown_is_sticky_short_and_puts_the_worst_first() -> None:
    many = [rule(Outcome.PASS, Effect.OK, metric=f"m{i}") for i in range(30)]
    many.append(rule(Outcome.FAIL, Effect.ERROR, metric="worst", message="x" * 9000))
    text = render_markdown(verdict(*many, notes=tuple("n" * 5000 for _ in range(40))))
    lines = text.splitlines()
    assert lines[0] == MARKER
    assert lines[1].startswith("**FAIL: 1 of 31 rules broken")
    rows = [line for line in lines if line.startswith(("| ✅", "| ❌"))]
    assert len(rows) == 10
    assert "worst" in rows[0]
    assert "21 more rules" in text
    assert len(text) < 60_000


def test_at_most_ten_annotations_are_printed_errors_first() -> None:
    rules = [rule(Outcome.FAIL, Effect.WARN, metric=f"w{i}") for i in range(8)]
    rules += [rule(Outcome.FAIL, Effect.ERROR, metric=f"e{i}") for i in range(8)]
    lines = render_github(verdict(*rules)).splitlines()
    assert [line.split(" ")[0] for line in lines] == ["::error"] * 8 + ["::warning"] * 2


def test_openmetrics_is_parsed_by_the_reference_parser_and_ends_in_eof() -> None:
    text = render_openmetrics(verdict(rule(Outcome.FAIL, Effect.ERROR)))
    assert text.endswith("# EOF\n")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["energyprof_gate_exit_code"].samples[0].value == 1
    (estimate,) = families["energyprof_gate_rule_estimate"].samples
    assert (estimate.value, estimate.labels) == (
        1.2,
        {"budget": "b", "metric": "energy_j", "rule": "max_increase"},
    )
    states = families["energyprof_gate_rule_outcome"].samples
    assert {s.labels["energyprof_gate_rule_outcome"]: s.value for s in states}["fail"] == 1


def test_the_verdict_matches_its_published_schema() -> None:
    schema = verdict_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for found in every_pair():
        validator.validate(json.loads(render_verdict(found)))
    broken = json.loads(render_verdict(verdict()))
    broken["outcome"] = "perhaps"
    assert not validator.is_valid(broken)


def test_the_terminal_says_in_words_what_it_says_in_colour() -> None:
    found = verdict(rule(Outcome.FAIL, Effect.ERROR), rule(Outcome.FAIL, Effect.WARN, metric="duration_s"))
    plain, coloured = render_terminal(found), render_terminal(found, colour=True)
    assert "\x1b" not in plain
    assert "FAIL         energy_j" in plain
    assert "warn: fail" in plain
    assert "\x1b[31mFAIL\x1b[0m" in coloured
    assert all(len(line) <= 100 for line in plain.splitlines())


def test_every_form_is_a_pure_function_of_the_verdict() -> None:
    found = verdict(rule(Outcome.FAIL, Effect.ERROR))
    for render in RENDERERS.values():
        assert render(found) == render(found)
