"""``energyprof ab`` from its words to a verdict: both sides, their folders, their budgets, one sitting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from energyprof.errors import ConfigError, UsageError
from energyprof.gate.budget import BudgetBook
from energyprof.gate.command_runs import CommandSide, CommandTurns, worktree
from energyprof.gate.interleaving import Sitting, ad_hoc_book, planned_looks, run_sitting
from energyprof.gate.session import open_book
from energyprof.record.run_lookup import list_runs
from energyprof.units import parse_quantity

__all__ = ["AbRequest", "parse_cooldown", "run_ab"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AbRequest:
    """What to run and how to judge it.

    Attributes:
        base: command; None for the head command, in another commit.
        base_ref: commit of base, checked out in a git worktree; None for this folder.
        out: an empty or new folder; runs go to ``base`` and ``head`` in it.
        config: the budget file; None for the one in this folder, where there is one.
        margin: judge only ``metric`` by this margin, not by the budget file.
        across_learners: one learner against another; with a margin only, budgets are for one learner.
    """

    head: str
    base: str | None
    base_ref: str | None = None
    out: Path
    seeds: int | None = None
    cooldown_s: float | None = None
    config: Path | None = None
    margin: str | None = None
    metric: str = "energy_j"
    across_learners: bool = False
    strict: bool = False


def run_ab(request: AbRequest, progress: Callable[[str], None]) -> Sitting:
    """Run both sides interleaved and judge them.

    Raises:
        EnergyprofError: a command, a commit or a budget that cannot be meant.
    """
    book = _book(request)
    looks = planned_looks(book, request.seeds)
    if request.base is None and request.base_ref is None:
        raise UsageError("nothing to compare with: give --base COMMAND or --base-ref COMMIT")
    if any(list_runs(request.out / side) for side in ("base", "head")):
        raise UsageError(
            f"'{request.out}' holds the runs of another sitting: remove it, or name another --out"
        )
    with _sides(request) as sides:
        taken = CommandTurns(sides=sides, cooldown_s=request.cooldown_s, progress=progress)
        return run_sitting(book, looks, taken.perform, taken.pause, strict=request.strict)


def parse_cooldown(text: str) -> float | None:
    """Return the pause in seconds, or None for ``auto``.

    Raises:
        UsageError: it is neither ``auto`` nor a time.
    """
    if text == "auto":
        return None
    seconds = parse_quantity(text, "s")
    if not 0 <= seconds <= 3600:
        raise UsageError(f"a cooldown of '{text}' cannot be meant: 0 s to 1 h, or auto")
    return seconds


def _book(request: AbRequest) -> BudgetBook:
    if request.margin is None and not request.across_learners:
        try:
            return open_book(request.config)[0]
        except ConfigError:
            if request.config is not None or _has_budgets():
                raise
    text = request.margin or "5%"
    margin = parse_quantity(text, "fraction")
    if not 0 < margin < 10:
        raise UsageError(f"a margin of '{text}' cannot be meant: give a share above 0%, such as 5%")
    return ad_hoc_book(margin, text, request.metric, request.across_learners)


def _has_budgets() -> bool:
    from energyprof.gate.budget_file import find_budget_file

    try:
        find_budget_file(Path())
    except ConfigError:
        return Path("energyprof.toml").exists()
    return True


@contextmanager
def _sides(request: AbRequest) -> Iterator[dict[str, CommandSide]]:
    here = Path.cwd()
    head = _side(request.head, request, "head", here, with_path=request.base_ref is not None)
    base_command = request.base or request.head
    if request.base_ref is None:
        yield {"base": _side(base_command, request, "base", here, with_path=False), "head": head}
        return
    with worktree(request.base_ref) as tree:
        yield {"base": _side(base_command, request, "base", tree, with_path=True), "head": head}


def _side(command: str, request: AbRequest, name: str, folder: Path, with_path: bool) -> CommandSide:
    """Return a side; with a path of its own where the two sides are two versions of the same package."""
    paths = tuple(p for p in (folder, folder / "src") if p.is_dir()) if with_path else ()
    return CommandSide(command=command, out=request.out / name, folder=folder, paths=paths)
