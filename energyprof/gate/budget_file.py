"""From ``energyprof.toml`` (or ``[tool.energyprof]``) to budgets; mistakes are named with file and line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from energyprof.errors import ConfigError
from energyprof.gate.budget import BudgetBook
from energyprof.gate.toml_lines import KeyPath, key_lines, line_of
from energyprof.record.decoding import Misfit, decode
from energyprof.record.json_lines import line_of_byte

__all__ = [
    "Problem",
    "ProblemSink",
    "budget_file_in",
    "budget_text",
    "find_budget_file",
    "parse_budgets",
    "read_budgets",
    "review_budgets",
]

_AT_LINE: Final = re.compile(r" \(at line (\d+), column \d+\)")
_STANDALONE: Final = "energyprof.toml"
_PYPROJECT: Final = "pyproject.toml"
_ONLY_IN_METRICS: Final = ("max", "min", "max_increase", "max_decrease", "primary", "kind")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A mistake in a budget file; ``str`` gives ``energyprof.toml:12: what, and what to do``."""

    file: str
    line: int | None
    message: str

    def __str__(self) -> str:
        """Return the line that people read."""
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"


class ProblemSink:
    """Collects problems of one file and knows where each key stands.

    Args:
        file: what to call the file.
        lines: from :func:`energyprof.gate.toml_lines.key_lines`.
        root: where the budgets begin: ``()``, or ``("tool", "energyprof")``.
    """

    def __init__(self, file: str, lines: Mapping[KeyPath, int], root: KeyPath) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._lines, self._root = lines, root

    def line(self, *path: str | int) -> int | None:
        """Return the line of a key."""
        return line_of(self._lines, (*self._root, *path))

    def add(self, message: str, *path: str | int) -> None:
        """Note a problem at a key."""
        self.problems.append(Problem(file=self.file, line=self.line(*path), message=message))


def find_budget_file(folder: Path) -> Path:
    """Return the file that holds the budgets of a folder.

    Raises:
        ConfigError: there is none, or there are two.
    """
    found = budget_file_in(folder)
    if found is None:
        raise ConfigError(
            f"no budgets: neither {_STANDALONE} nor [tool.energyprof] in {_PYPROJECT} is here; "
            "write one or name it with --config"
        )
    return found


def budget_file_in(folder: Path) -> Path | None:
    """Return the file that holds the budgets of a folder, or None.

    Raises:
        ConfigError: there are two.
    """
    standalone, pyproject = folder / _STANDALONE, folder / _PYPROJECT
    inside = pyproject.is_file() and "[tool.energyprof" in pyproject.read_text("utf-8", errors="replace")
    if standalone.is_file() and inside:
        before = pyproject.read_text("utf-8", errors="replace").partition("[tool.energyprof")[0]
        line = before.count("\n") + 1
        raise ConfigError(f"{_PYPROJECT}:{line}: budgets stand here and in {_STANDALONE}: keep one")
    if standalone.is_file():
        return standalone
    return pyproject if inside else None


def read_budgets(path: Path, name: str | None = None) -> BudgetBook:
    """Read the budgets of a file.

    Args:
        path: ``energyprof.toml``, ``pyproject.toml`` or another TOML file.
        name: what to call it in messages and annotations.

    Raises:
        ConfigError: it cannot be read or meant; the message is its first problem and how many follow.
    """
    return parse_budgets(budget_text(path, name or path.name), name or path.name)


def parse_budgets(text: str, name: str = _STANDALONE) -> BudgetBook:
    """Read budgets from TOML text; see :func:`read_budgets`."""
    book, problems = review_budgets(text, name)
    if book is None:
        more = f" (and {len(problems) - 1} more: energyprof check --lint)" if len(problems) > 1 else ""
        raise ConfigError(f"{problems[0]}{more}")
    return book


def review_budgets(text: str, name: str = _STANDALONE) -> tuple[BudgetBook | None, list[Problem]]:
    """Return the budgets, or None and all the problems in the order of their lines."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return None, [_syntax_problem(name, str(error))]
    except RecursionError:
        return None, [Problem(file=name, line=None, message="nested too deeply to be a budget file")]
    root, table = _budget_table(document)
    sink = ProblemSink(name, key_lines(text), root)
    book = _build(table, sink)
    problems = sorted(sink.problems, key=lambda problem: problem.line or 0)
    return (None, problems) if problems else (book, [])


def budget_text(path: Path, name: str) -> str:
    """Return the text of a budget file.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        told = f"not UTF-8 text (byte {error.start}): save it as UTF-8"
        raise ConfigError(f"{name}:{line_of_byte(error)}: {told}") from error
    except OSError as error:
        raise ConfigError(f"cannot read {name}: {error.strerror}") from error


def _syntax_problem(name: str, message: str) -> Problem:
    place = _AT_LINE.search(message)
    return Problem(
        file=name,
        line=int(place[1]) if place else None,
        message=f"not TOML: {_AT_LINE.sub('', message)}",
    )


def _budget_table(document: dict[str, Any]) -> tuple[KeyPath, Any]:
    tool = document.get("tool")
    if "schema" not in document and isinstance(tool, dict) and "energyprof" in tool:
        return ("tool", "energyprof"), tool["energyprof"]
    return (), document


def _build(table: Any, sink: ProblemSink) -> BudgetBook | None:
    from energyprof.gate.budget_building import build_book
    from energyprof.gate.budget_schema import BudgetDocument

    document, misfits = decode(BudgetDocument, table, refuse_unknown=True)
    for misfit in misfits:
        sink.add(_SENTENCES[misfit.kind](misfit), *misfit.path)
    return None if document is None else build_book(document, sink)


def _unknown_key(misfit: Misfit) -> str:
    from energyprof.gate.budget_schema import known_keys

    key, known = str(misfit.path[-1]), known_keys(misfit.path[:-1])
    if key in _ONLY_IN_METRICS and misfit.path[:1] == ("budget",) and len(misfit.path) == 3:
        return f"the limit '{key}' belongs to no metric: write it under [budget.metrics.energy_j], say"
    near = get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return f"unknown key '{key}': {hint}known are {', '.join(sorted(known))}"


def _missing_key(misfit: Misfit) -> str:
    if misfit.path == ("schema",):
        return 'no schema: begin with  schema = "energyprof.budget/1"'
    return f"'{misfit.path[-1]}' is missing here"


def _wrong_value(misfit: Misfit) -> str:
    seen = repr(misfit.seen)
    seen = seen if len(seen) <= 60 else f"{seen[:57]}..."
    where = ".".join(part for part in misfit.path if isinstance(part, str)) or "the file"
    return f"{where} is {seen}: it should be {misfit.expected}"


_SENTENCES: Final[dict[str, Callable[[Misfit], str]]] = {
    "missing": _missing_key,
    "unknown": _unknown_key,
    "wrong": _wrong_value,
}
