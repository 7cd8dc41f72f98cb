"""What ``energyprof check`` does, and the shortest way to it.

The full parser needs 0.15 s to load, more than all the rest of a check of fifty runs. So plain words are read
here, and everything else (help, a mistake, an unknown option) is left to the parser, which also declares the
options (:mod:`energyprof.cli.check`). A test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["CheckOptions", "perform_check", "read_plain_check"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """The words of ``energyprof check``; see :class:`energyprof.gate.session.CheckRequest`."""

    runs: tuple[str, ...] = ()
    config: Path | None = None
    baseline: str | None = None
    budget: tuple[str, ...] = ()
    strict: bool = False
    look: bool = False
    lint: bool = False
    json_file: Path | None = None
    markdown: Path | None = None
    junit: Path | None = None
    openmetrics: Path | None = None
    github: bool = False
    quiet: bool = False
    out: Path = Path("reports")


def perform_check(options: CheckOptions) -> int:
    """Check, print, write, and return the exit code.

    Raises:
        EnergyprofError: a file or a name that cannot be meant, or an output that cannot be written.
    """
    from energyprof.cli.verdict_printing import VerdictOutputs, print_lint, print_verdict
    from energyprof.gate.session import CheckRequest, run_check

    if options.lint:
        return print_lint(options.config)
    verdict = run_check(
        CheckRequest(
            runs=options.runs,
            out=options.out,
            config=options.config,
            baseline=options.baseline,
            budgets=options.budget,
            strict=options.strict,
            planned_look=options.look,
        )
    )
    outputs = VerdictOutputs(
        json=options.json_file,
        markdown=options.markdown,
        junit=options.junit,
        openmetrics=options.openmetrics,
        github=options.github,
        quiet=options.quiet,
    )
    return print_verdict(verdict, outputs)


_FLAGS: Final = {
    "--github": "github",
    "--lint": "lint",
    "--look": "look",
    "--quiet": "quiet",
    "--strict": "strict",
    "-q": "quiet",
}
_PATHS: Final = {
    "--config": "config",
    "--json": "json_file",
    "--junit": "junit",
    "--markdown": "markdown",
    "--openmetrics": "openmetrics",
    "--out": "out",
}
_TEXTS: Final = {"--baseline": "baseline", "--budget": "budget"}


def read_plain_check(words: Sequence[str]) -> CheckOptions | None:
    """Read the words after ``check``; None where any of them needs the full parser."""
    found: dict[str, Any] = {"runs": (), "budget": ()}
    rest = list(words)
    while rest:
        word, equals, value = rest.pop(0).partition("=")
        if word in _FLAGS and not equals:
            found[_FLAGS[word]] = True
        elif word in _PATHS or word in _TEXTS:
            value = value if equals else rest.pop(0) if rest else ""
            if not value or (value[0] == "-" and value != "-"):
                return None
            _keep(found, word, value)
        elif word == "--" and not equals:
            found["runs"] += tuple(rest)
            rest = []
        elif word[:1] != "-" and word + equals:
            found["runs"] += (word + equals + value,)
        else:
            return None
    return CheckOptions(**found)


def _keep(found: dict[str, Any], word: str, value: str) -> None:
    if word == "--budget":
        found["budget"] += (value,)
    elif word in _TEXTS:
        found[_TEXTS[word]] = value
    else:
        found[_PATHS[word]] = Path(value)
