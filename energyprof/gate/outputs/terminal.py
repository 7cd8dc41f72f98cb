"""A verdict for the terminal: the sentence first, then a line a rule, worst things in words and colour."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Final

from energyprof.gate.verdict import BudgetVerdict, Effect, Outcome, Reason, RuleVerdict, Verdict

__all__ = ["plain", "render_terminal", "rule_word"]

_COLOURS: Final = {Effect.OK: "32", Effect.WARN: "33", Effect.ERROR: "31"}
_INDENT: Final = " " * 15


def render_terminal(verdict: Verdict, colour: bool = False, width: int = 100) -> str:
    """Return the verdict as text for people.

    Args:
        verdict: what was decided.
        colour: whether to add ANSI colours; every colour stands beside a word that says the same.
        width: columns.
    """
    return "\n".join(_lines(verdict, colour, width)) + "\n"


def plain(text: str) -> str:
    """Replace what a terminal would obey rather than print: control characters, direction marks."""
    return "".join(char if char.isprintable() else " " if char.isspace() else "?" for char in text)


def rule_word(rule: RuleVerdict) -> str:
    """Return the word for a rule: its outcome, in capitals where it reaches the exit code."""
    if rule.outcome is Outcome.PASS:
        return "improved" if rule.improved else "pass"
    if rule.effect is Effect.ERROR:
        return rule.outcome.upper()
    if rule.reason is Reason.MISSING_BASELINE:
        return "skipped"
    return f"warn: {rule.outcome}" if rule.outcome is Outcome.FAIL else rule.outcome.value


def _lines(verdict: Verdict, colour: bool, width: int) -> Iterator[str]:
    effect = Effect.ERROR if verdict.exit_code else Effect.OK
    sentence = textwrap.wrap(plain(verdict.sentence), width)
    yield from (_paint(line, effect) if colour else line for line in sentence)
    for budget in verdict.budgets:
        yield ""
        yield from _budget_lines(budget, verdict.file, colour, width)
    for warning in verdict.warnings:
        yield ""
        yield from textwrap.wrap(f"note: {plain(warning)}", width, subsequent_indent="      ")


def _budget_lines(budget: BudgetVerdict, file: str | None, colour: bool, width: int) -> Iterator[str]:
    held = f" against {plain(budget.baseline)}" if budget.baseline else ""
    yield f"{plain(budget.name)} - {_count(len(budget.head_runs), 'run')}{held}"
    for rule in budget.rules:
        word = rule_word(rule)
        shown = _paint(word, rule.effect) if colour else word
        padding = " " * max(1, 13 - len(word))
        text = textwrap.wrap(plain(rule.message), width - len(_INDENT))
        yield f"  {shown}{padding}{plain(rule.name)}{_place(rule, file)}"
        yield from (f"{_INDENT}{line}" for line in text)
    for note in budget.excluded:
        yield f"  excluded     {note.side} run {plain(note.id)}: {plain(note.why)}"
    for warning in budget.warnings:
        yield from textwrap.wrap(
            f"  note         {plain(warning)}", width, subsequent_indent=_INDENT, drop_whitespace=True
        )


def _place(rule: RuleVerdict, file: str | None) -> str:
    """Return where the limit of a rule that needs attention stands."""
    if rule.effect is Effect.OK or file is None or rule.line is None:
        return ""
    return f"  ({plain(file)}:{rule.line})"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _paint(text: str, effect: Effect) -> str:
    return f"\x1b[{_COLOURS[effect]}m{text}\x1b[0m"
