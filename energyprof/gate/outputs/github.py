"""A verdict as GitHub workflow commands: annotations on the lines of the budget file."""

from __future__ import annotations

from typing import Final

from energyprof.gate.verdict import Effect, RuleVerdict, Verdict

__all__ = ["render_github"]

_MOST: Final = 10  # GitHub shows ten annotations of a kind a step
_COMMANDS: Final = {Effect.ERROR: "error", Effect.WARN: "warning"}


def render_github(verdict: Verdict) -> str:
    """Return at most ten annotations, errors first; empty where nothing went wrong."""
    told = [rule for effect in _COMMANDS for rule in verdict.rules if rule.effect is effect]
    return "".join(f"{_annotation(verdict, rule)}\n" for rule in told[:_MOST])


def _annotation(verdict: Verdict, rule: RuleVerdict) -> str:
    properties = {"file": verdict.file, "line": rule.line, "title": f"{rule.outcome}: {rule.budget}"}
    given = ",".join(f"{name}={_property(str(v))}" for name, v in properties.items() if v is not None)
    return f"::{_COMMANDS[rule.effect]} {given}::{_data(f'{rule.name}: {rule.message}')}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
