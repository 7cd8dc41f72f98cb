"""One check from the command line's words to a verdict, and the verdict to files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from energyprof.errors import UnknownName
from energyprof.gate.baseline import Baseline
from energyprof.gate.baseline_file import read_baseline
from energyprof.gate.baseline_shelf import Shelf
from energyprof.gate.budget import Budget, BudgetBook
from energyprof.gate.budget_file import find_budget_file, read_budgets
from energyprof.gate.check import check_budgets
from energyprof.gate.observation import GateRun
from energyprof.gate.outputs import RENDERERS
from energyprof.gate.run_files import load_runs
from energyprof.record.schema import write_text

if TYPE_CHECKING:
    from energyprof.gate.verdict import Verdict

__all__ = ["CheckRequest", "budget_named", "open_book", "run_check", "write_outputs"]

_MOST_NAMED: Final = 5  # runs, in a command that is shown


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """What to check.

    Attributes:
        runs: references to runs; none for all in ``out``.
        config: the budget file; None for the one in this folder.
        baseline: a baseline file, a run or a folder of runs to be used instead of the promoted one.
        budgets: names of the budgets to judge; none for all.
        planned_look: whether the runs are one of the planned looks.
    """

    runs: Sequence[str] = ()
    out: Path = Path("reports")
    config: Path | None = None
    baseline: str | None = None
    budgets: Sequence[str] = ()
    strict: bool = False
    planned_look: bool = False


def run_check(request: CheckRequest) -> Verdict:
    """Read everything and judge it.

    Raises:
        EnergyprofError: a file or a name that cannot be meant.
    """
    book, folder = open_book(request.config)
    if request.budgets:
        book = replace(book, budgets=tuple(budget_named(book, name) for name in request.budgets))
    left_out: list[str] = []
    runs = load_runs(request.runs, request.out, left_out.append)
    given, given_runs = _given_baseline(request.baseline, request.out, left_out.append)
    shelf = Shelf(folder, runs, given, given_runs, _promotion(request))
    verdict = check_budgets(book, runs, shelf.base, strict=request.strict, planned_look=request.planned_look)
    return replace(verdict, warnings=(*left_out, *verdict.warnings))


def open_book(config: Path | None) -> tuple[BudgetBook, Path]:
    """Return the budgets and the folder that their paths are relative to.

    Raises:
        ConfigError: there are none, or they cannot be meant.
    """
    path = find_budget_file(Path()) if config is None else config
    return read_budgets(path, shown_path(path)), path.parent


def shown_path(path: Path) -> str:
    """Return a path as outputs may show it: relative to this folder, or its bare name; never absolute."""
    absolute = path.absolute()
    here = Path.cwd()
    return absolute.relative_to(here).as_posix() if absolute.is_relative_to(here) else path.name


def budget_named(book: BudgetBook, name: str) -> Budget:
    """Return a budget by name.

    Raises:
        UnknownName: there is none.
    """
    for budget in book.budgets:
        if budget.name == name:
            return budget
    raise UnknownName("budget", name, [budget.name for budget in book.budgets])


def write_outputs(verdict: Verdict, files: Mapping[str, Path]) -> None:
    """Write a verdict in the forms that are asked for.

    Args:
        verdict: what was decided.
        files: form -> file, see :data:`energyprof.gate.outputs.RENDERERS`.

    Raises:
        OutputError: a file cannot be written.
    """
    for form, path in files.items():
        write_text(path, RENDERERS[form](verdict))


def _promotion(request: CheckRequest) -> list[str]:
    """Return how to name these runs to ``baseline promote``; a path of this machine is left to the reader."""
    words = [] if request.config is None else ["--config", shown_path(request.config)]
    if request.out != Path("reports"):
        words += ["--out", str(request.out)]
    words += request.runs if len(request.runs) <= _MOST_NAMED else ["RUN..."]
    return ["RUN..." if Path(word).is_absolute() else word for word in words]


def _given_baseline(
    reference: str | None, out: Path, tell: Callable[[str], object]
) -> tuple[tuple[Baseline, str] | None, Sequence[GateRun]]:
    if reference is None:
        return None, ()
    path = Path(reference)
    if path.is_file() and path.name != "report.json":
        shown = shown_path(path)
        return (read_baseline(path, shown), shown), ()
    return None, load_runs([reference], out, tell)
