"""What is wrong, or unwise, in a budget file before any run is judged by it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from energyprof.analysis.detectability import detectable_effect
from energyprof.errors import ConfigError
from energyprof.gate.baseline_file import read_baseline
from energyprof.gate.budget import Budget, BudgetBook, Level, Limit, LimitKind, MetricBudget
from energyprof.gate.budget_file import Problem, review_budgets
from energyprof.gate.wording import share_text

__all__ = ["Lint", "lint_budgets"]

_POWER = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Lint:
    """What was found: errors keep the file from being used, warnings do not."""

    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def lint_budgets(text: str, name: str, folder: Path) -> Lint:
    """Review a budget file, and the baselines that it names.

    Args:
        text: TOML.
        name: what to call the file.
        folder: that baselines are relative to.
    """
    book, problems = review_budgets(text, name)
    if book is None:
        return Lint(errors=tuple(problems), warnings=())
    errors: list[Problem] = []
    warnings: list[Problem] = []
    for budget in book.budgets:
        noises, broken = _noises(book, budget, folder)
        errors += [_problem(book, budget.line, message) for message in broken]
        warnings += [_problem(book, line, message) for line, message in _unwise(budget, noises)]
    return Lint(errors=tuple(errors), warnings=tuple(warnings))


def _problem(book: BudgetBook, line: int | None, message: str) -> Problem:
    return Problem(file=book.file or "budgets", line=line, message=message)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Noise:
    source: str
    within: float
    between: float


def _noises(book: BudgetBook, budget: Budget, folder: Path) -> tuple[dict[str, list[_Noise]], list[str]]:
    """Return metric -> what is known of its noise, and the baselines that cannot be read."""
    found: dict[str, list[_Noise]] = {}
    broken: list[str] = []
    for device, figures in book.noise.items():
        for metric, sigma in figures.items():
            found.setdefault(metric, []).append(
                _Noise(source=f"noise of {device}", within=0.0, between=sigma)
            )
    for path in _baseline_files(budget, folder):
        shown = path.relative_to(folder).as_posix()
        try:
            baseline = read_baseline(path, shown)
        except ConfigError as error:
            broken.append(str(error))
            continue
        if baseline.budget != budget.name:
            continue
        for metric, noise in baseline.noise.items():
            seen = _Noise(source=shown, within=noise.within or 0.0, between=noise.between or 0.0)
            found.setdefault(metric, []).append(seen)
    return found, broken


def _baseline_files(budget: Budget, folder: Path) -> list[Path]:
    if budget.baseline is None:
        return []
    pattern = re.sub(r"\{[^{}]*\}", "*", budget.baseline.replace("{budget}", budget.name.lower()))
    return sorted(path for path in folder.glob(pattern) if path.is_file())


def _unwise(budget: Budget, noises: dict[str, list[_Noise]]) -> Iterator[tuple[int | None, str]]:
    for entry in budget.metrics:
        for limit in entry.limits:
            if entry.level is not Level.OFF and limit.kind.is_relative and not entry.deterministic:
                yield from _margin_warnings(budget, entry, limit, noises.get(entry.metric.name, []))
    if not any(entry.level is Level.ERROR for entry in budget.metrics):
        yield budget.line, f"budget '{budget.name}' enforces nothing: every level is warn or off"


def _margin_warnings(
    budget: Budget, entry: MetricBudget, limit: Limit, noises: list[_Noise]
) -> Iterator[tuple[int | None, str]]:
    name = f"{limit.kind.value} {limit.text} of {entry.metric.name}"
    if limit.value == 0:
        yield limit.line, f"{name}: a margin of zero cannot be kept by a measured figure; give it room"
        return
    if not entry.metric.log:
        return
    margin = math.log1p(limit.value) if limit.kind is LimitKind.MAX_INCREASE else -math.log1p(-limit.value)
    runs = budget.policies.looks[-1]
    for noise in noises:
        error = math.sqrt(2 * noise.within**2 / runs + 2 * noise.between**2)
        needed = detectable_effect(error, 2 * runs - 2, budget.policies.alpha, _POWER)
        if needed > margin:
            yield (
                limit.line,
                f"{name} lies under the noise ({noise.source}): with {runs} runs a side unchanged code "
                f"passes in under 80 %; {share_text(math.expm1(needed))} would do",
            )
