"""A verdict as Markdown for a pull request: sticky by its hidden marker, the sentence first, short."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Final

from energyprof.gate.outputs.terminal import rule_word
from energyprof.gate.verdict import Effect, Outcome, RuleVerdict, Verdict

__all__ = ["MARKER", "render_markdown"]

MARKER: Final = "<!-- energyprof:verdict -->"
_MOST_ROWS: Final = 10
_MOST_NOTES: Final = 10
_MOST_CHARACTERS: Final = 60_000
_LONGEST_CELL: Final = 1_000
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]|#~@!])")
_SIGNS: Final = {Effect.OK: "✅", Effect.WARN: "⚠️", Effect.ERROR: "❌"}


def render_markdown(verdict: Verdict) -> str:
    """Return the verdict as GitHub-flavoured Markdown, under 60,000 characters."""
    return "\n".join(_lines(verdict))[: _MOST_CHARACTERS - 1] + "\n"


def escape(text: str) -> str:
    """Make text inert in Markdown: one line, no markup, no HTML, no table cell broken."""
    cut = " ".join(text.split())[:_LONGEST_CELL]  # cut first: half an escape would undo the next one
    return html.escape(_SPECIAL.sub(r"\\\1", cut), quote=False)


def _lines(verdict: Verdict) -> Iterator[str]:
    yield MARKER
    yield f"**{escape(verdict.sentence)}**"
    yield ""
    ordered = sorted(verdict.rules, key=_urgency)
    if ordered:
        yield "| | budget | rule | finding |"
        yield "|---|---|---|---|"
    for rule in ordered[:_MOST_ROWS]:
        yield _row(rule)
    if len(ordered) > _MOST_ROWS:
        yield ""
        yield f"{len(ordered) - _MOST_ROWS} more rules are in the verdict file."
    notes = list(_notes(verdict))
    if notes:
        yield ""
    yield from notes[:_MOST_NOTES]
    if len(notes) > _MOST_NOTES:
        yield f"- {len(notes) - _MOST_NOTES} more notes are in the verdict file."


def _row(rule: RuleVerdict) -> str:
    word = f"{_SIGNS[rule.effect]} {rule_word(rule)}"
    return f"| {word} | {escape(rule.budget)} | {escape(rule.name)} | {escape(rule.message)} |"


def _urgency(rule: RuleVerdict) -> tuple[int, int]:
    effects = (Effect.ERROR, Effect.WARN, Effect.OK)
    outcomes = (Outcome.FAIL, Outcome.INVALID, Outcome.INCONCLUSIVE, Outcome.PASS)
    return effects.index(rule.effect), outcomes.index(rule.outcome)


def _notes(verdict: Verdict) -> Iterator[str]:
    for budget in verdict.budgets:
        for note in budget.excluded:
            yield f"- {escape(budget.name)}: {note.side} run {escape(note.id)} excluded: {escape(note.why)}"
        for warning in budget.warnings:
            yield f"- {escape(budget.name)}: {escape(warning)}"
    for warning in verdict.warnings:
        yield f"- {escape(warning)}"
