from __future__ import annotations

from dataclasses import replace

from energyprof.gate.budget import QUALITY_FLAGS
from energyprof.gate.budget_file import parse_budgets
from energyprof.gate.observation import Observation, observe
from energyprof.gate.sides import Arrangement, arrange, pair_up, select_runs, sittings, take_side
from energyprof.record.model import RunStatus, Severity

from .conftest import BUDGET, RunMaker, interleaved

FIVE = [1500.0, 1501.0, 1502.0, 1503.0, 1504.0]


def seen(*runs: object) -> list[Observation]:
    return [observe(run) for run in runs]  # type: ignore[arg-type]


def test_a_b_b_a_with_the_same_seeds_is_paired(make: RunMaker) -> None:
    base, head = (seen(*side) for side in interleaved(make, 5, FIVE, FIVE))
    assert arrange(base, head) is Arrangement.PAIRED
    assert [(b.seed, h.seed) for b, h in pair_up(base, head)] == [(i, i) for i in range(5)]


def test_without_seeds_interleaved_runs_are_not_paired(make: RunMaker) -> None:
    base, head = interleaved(make, 3, FIVE, FIVE)
    unseeded = [make.run(name=run.id, seed=None, minute=0) for run in base]
    assert arrange(seen(*unseeded), seen(*head)) is Arrangement.SEPARATE  # all at once
    apart = [make.run(name=f"x{i}", seed=9, minute=2.0 * (2 * i + i % 2)) for i in range(3)]
    assert arrange(seen(*apart), seen(*head)) is Arrangement.INTERLEAVED


def test_one_side_after_the_other_is_separate_even_in_one_hour(make: RunMaker) -> None:
    base = [make.run(name=f"b{i}", seed=i, minute=2.0 * i) for i in range(3)]
    head = [make.run(name=f"h{i}", seed=i, minute=2.0 * (i + 3)) for i in range(3)]
    assert arrange(seen(*base), seen(*head)) is Arrangement.SEPARATE


def test_overlap_another_host_a_pause_or_a_missing_time_make_sides_separate(make: RunMaker) -> None:
    for change in (
        {"host": "host-b"},
        {"host": None},
        {"minute": 500.0},
        {"minute": 1.5},
    ):
        base, head = interleaved(make, 3, FIVE, FIVE)
        order = [*base[:2], make.run(**{"name": "base-2", "seed": 2, "minute": 8.0, **change})]  # type: ignore[arg-type]
        assert arrange(seen(*order), seen(*head)) is Arrangement.SEPARATE
    assert arrange([], seen(*head)) is Arrangement.SEPARATE


def test_runs_are_set_aside_by_declared_flags_only(make: RunMaker) -> None:
    runs = [make.run(name=f"r{i}", flags=["input-bound"]) for i in range(3)]
    runs.append(make.run(9e9, name="r3", flags=["throttled", "input-bound"]))
    side = take_side(seen(*runs), QUALITY_FLAGS, "head")
    assert [note.id for note in side.excluded] == ["r3"]
    assert (len(side.kept), side.unfit) == (3, None)


def test_a_flag_that_is_only_a_note_sets_nothing_aside(make: RunMaker) -> None:
    run = make.run(flags=["throttled"])
    note = replace(run.report.flags[0], severity=Severity.INFO)
    (seen_run,) = seen(replace(run, report=replace(run.report, flags=(note,))))
    assert seen_run.flags == ()


def test_more_than_a_third_excluded_is_no_side(make: RunMaker) -> None:
    runs = [make.run(name=f"r{i}", flags=["sampling-gap"] if i < 2 else []) for i in range(5)]
    side = take_side(seen(*runs), QUALITY_FLAGS, "head")
    assert side.unfit == "2 of 5 head runs are excluded (sampling-gap), more than a third"


def test_a_run_that_did_not_complete_spoils_its_side(make: RunMaker) -> None:
    for status in (RunStatus.PARTIAL, RunStatus.FAILED, RunStatus.INTERRUPTED):
        side = take_side(seen(make.run(name="x", status=status)), QUALITY_FLAGS, "head")
        assert side.unfit is not None
        told = {"failed": "failed", "interrupted": "was interrupted", "partial": "was killed"}[status]
        assert side.unfit.startswith(f"run x {told}")


def test_a_long_pause_or_another_host_begins_a_new_sitting(make: RunMaker) -> None:
    minutes = (0, 2, 4, 200, 202)
    runs = [make.run(name=f"r{i}", minute=minute) for i, minute in enumerate(minutes)]
    assert [len(group) for group in sittings(seen(*runs))] == [3, 2]


def test_runs_are_selected_by_their_labels(make: RunMaker) -> None:
    (budget,) = parse_budgets(BUDGET).budgets
    runs = [make.run(name="a"), make.run(name="b", algo="bp"), make.run(name="c", dataset="digits")]
    assert [run.id for run in select_runs(budget, runs)] == ["a"]
    several = parse_budgets(BUDGET.replace('algo = "mf"', 'algo = ["mf", "bp"]')).budgets[0]
    assert [run.id for run in select_runs(several, runs)] == ["a", "b"]
