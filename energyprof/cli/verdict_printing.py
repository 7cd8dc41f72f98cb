"""A verdict on the screen and in files: stdout is the result, a file named ``-`` is stdout."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from energyprof.errors import OutputError
from energyprof.gate.outputs import RENDERERS
from energyprof.gate.outputs.terminal import render_terminal
from energyprof.gate.session import shown_path, write_outputs
from energyprof.gate.verdict import Verdict

__all__ = ["VerdictOutputs", "new_sitting_folder", "print_lint", "print_progress", "print_verdict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictOutputs:
    """What becomes of a verdict.

    Attributes:
        json: a file for each form; ``-`` is stdout, None is not wanted.
        github: whether to print annotations and to fill the step summary.
        quiet: whether only the sentence is told.
    """

    json: Path | None = None
    markdown: Path | None = None
    junit: Path | None = None
    openmetrics: Path | None = None
    github: bool = False
    quiet: bool = False

    @property
    def files(self) -> dict[str, Path]:
        """Return form -> file, of the forms that are wanted."""
        forms = {name: getattr(self, name) for name in ("json", "markdown", "junit", "openmetrics")}
        return {form: path for form, path in forms.items() if path is not None}


def print_verdict(verdict: Verdict, outputs: VerdictOutputs) -> int:
    """Print a verdict, write its files, and return its exit code.

    Raises:
        OutputError: a file cannot be written.
    """
    files = outputs.files
    to_stdout = [form for form, path in files.items() if str(path) == "-"]
    screen = sys.stderr if to_stdout else sys.stdout
    print(_terminal(verdict, outputs.quiet, screen), end="", file=screen)
    write_outputs(verdict, {form: path for form, path in files.items() if form not in to_stdout})
    for form in to_stdout:
        print(RENDERERS[form](verdict), end="")
    if outputs.github:
        _tell_github(verdict)
    return verdict.exit_code


def print_lint(config: Path | None) -> int:
    """Print what a budget file's review found, and return the exit code."""
    from energyprof.gate.budget_file import budget_text, find_budget_file
    from energyprof.gate.lint import lint_budgets

    path = find_budget_file(Path()) if config is None else config
    name = shown_path(path)
    found = lint_budgets(budget_text(path, name), name, path.parent)
    for problem in found.errors:
        print(f"error: {problem}")
    for problem in found.warnings:
        print(f"warning: {problem}")
    kinds = (("error", found.errors), ("warning", found.warnings))
    counts = (f"{len(of)} {kind if len(of) == 1 else kind + 's'}" for kind, of in kinds)
    print(f"{name}: {', '.join(counts)}")
    return 2 if found.errors else 0


def _terminal(verdict: Verdict, quiet: bool, stream: object) -> str:
    if quiet:
        return verdict.sentence + "\n"
    colour = bool(getattr(stream, "isatty", lambda: False)()) and not os.environ.get("NO_COLOR")
    return render_terminal(verdict, colour, min(shutil.get_terminal_size((100, 24)).columns, 120))


def _tell_github(verdict: Verdict) -> None:
    print(RENDERERS["github"](verdict), end="")
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        try:
            with open(summary, "a", encoding="utf-8") as file:
                file.write(RENDERERS["markdown"](verdict))
        except OSError as error:
            raise OutputError(f"cannot write the step summary: {error.strerror}") from error


def new_sitting_folder() -> Path:
    """Return the folder of a sitting that begins now."""
    return Path("reports") / f"ab-{datetime.now(UTC):%Y%m%d-%H%M%S}"


def print_progress(quiet: bool) -> Callable[[str], None]:
    """Return what tells a line on stderr, or nothing."""
    return (lambda _line: None) if quiet else (lambda line: print(line, file=sys.stderr, flush=True))
