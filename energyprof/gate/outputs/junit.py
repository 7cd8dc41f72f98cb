"""A verdict as JUnit XML: a suite a budget, a case a rule; the counts agree with the exit code.

A rule that fails is a failure, one that is invalid an error, but only where it reaches the exit code; what
only warns is skipped with its story, so that nothing is hidden and nothing is red without reason. An
inconclusive rule is skipped, and an error where ``--strict`` or a policy makes it one.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Final

from energyprof.gate.verdict import BudgetVerdict, Effect, Outcome, RuleVerdict, Verdict

__all__ = ["render_junit"]

_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_junit(verdict: Verdict) -> str:
    """Return the verdict as JUnit XML, in the form that Jenkins, GitLab and GitHub actions read."""
    root = ET.Element("testsuites", {"name": "energyprof check", **_counts(verdict.rules)})
    for budget in verdict.budgets:
        root.append(_suite(budget, verdict.warnings))
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(budget: BudgetVerdict, notes: tuple[str, ...]) -> ET.Element:
    """Return a budget's suite; notes on the whole check stand in each, as the form has no other place."""
    suite = ET.Element(
        "testsuite", {"name": _text(budget.name), **_counts(budget.rules), **_skips(budget.rules)}
    )
    for rule in budget.rules:
        suite.append(_case(rule))
    story = [
        *budget.warnings,
        *(f"{note.side} run {note.id} excluded: {note.why}" for note in budget.excluded),
        *notes,
    ]
    if story:
        ET.SubElement(suite, "system-out").text = _text("\n".join(story))
    return suite


def _case(rule: RuleVerdict) -> ET.Element:
    case = ET.Element("testcase", classname=_text(f"energyprof.{rule.budget}"), name=_text(rule.name))
    element = _element(rule)
    if element is None:
        ET.SubElement(case, "system-out").text = _text(rule.message)
    elif element == "skipped":
        ET.SubElement(case, element, message=_text(f"{rule.outcome}: {rule.message}"))
    else:
        child = ET.SubElement(case, element, message=_text(rule.message), type=rule.outcome.value)
        child.text = _text(rule.message)
    return case


def _element(rule: RuleVerdict) -> str | None:
    if rule.outcome is Outcome.PASS:
        return None
    if rule.effect is not Effect.ERROR:
        return "skipped"
    return "failure" if rule.outcome is Outcome.FAIL else "error"


def _counts(rules: tuple[RuleVerdict, ...]) -> dict[str, str]:
    elements = [_element(rule) for rule in rules]
    return {
        "tests": str(len(elements)),
        "failures": str(elements.count("failure")),
        "errors": str(elements.count("error")),
    }


def _skips(rules: tuple[RuleVerdict, ...]) -> dict[str, str]:
    return {"skipped": str(sum(_element(rule) == "skipped" for rule in rules))}


def _text(text: str) -> str:
    """Replace what XML cannot hold."""
    return _FORBIDDEN.sub("\ufffd", text)
