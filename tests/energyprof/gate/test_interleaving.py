from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from energyprof.errors import UsageError
from energyprof.gate.ab_session import parse_cooldown
from energyprof.gate.budget import BudgetBook
from energyprof.gate.command_runs import CommandSide, CommandTurns
from energyprof.gate.interleaving import Sitting, Turn, ad_hoc_book, planned_looks, run_sitting, turns
from energyprof.gate.observation import GateRun

from .conftest import RunMaker

BOOK = ad_hoc_book(0.05, "5%")


def sitting(
    make: RunMaker, factor: float, cv: float, looks: tuple[int, ...] = (3, 5, 8), seed: int = 0
) -> Sitting:
    rng, minute = np.random.default_rng(seed), iter(range(1000))

    def perform(turn: Turn) -> GateRun:
        energy = 1000 * (factor if turn.side == "head" else 1.0) * float(np.exp(rng.normal(0, cv)))
        return make.run(energy, name=f"{turn.side}-{turn.pair}", seed=turn.pair, minute=2.0 * next(minute))

    return run_sitting(BOOK, looks, perform, lambda: None)


def test_sides_take_turns_a_b_b_a() -> None:
    assert "".join(turn.side[0] for turn in turns(4)) == "bhhbbhhb"
    assert [turn.pair for turn in turns(3)] == [0, 0, 1, 1, 2, 2]


def test_a_clear_case_stops_at_the_first_look(make: RunMaker) -> None:
    same, worse = sitting(make, 1.0, 0.003), sitting(make, 1.2, 0.003)
    assert (len(same.base), same.verdict.outcome) == (3, "pass")
    assert (len(worse.head), worse.verdict.outcome, worse.verdict.exit_code) == (3, "fail", 1)
    (found,) = worse.verdict.rules
    assert (found.design, found.alpha) == ("paired", pytest.approx(0.021))


def test_a_close_case_looks_again_and_ends_at_the_last_look(make: RunMaker) -> None:
    close = sitting(make, 1.05, 0.02)
    assert len(close.base) == 8
    assert close.verdict.outcome == "inconclusive"


def test_a_failure_is_never_run_again_until_it_is_green(make: RunMaker) -> None:
    performed: list[Turn] = []

    def perform(turn: Turn) -> GateRun:
        performed.append(turn)
        energy = 1000.0 + turn.pair if turn.side == "base" else 1300.0 + turn.pair
        minute = 2.0 * len(performed)
        return make.run(energy, name=f"{turn.side}-{turn.pair}", seed=turn.pair, minute=minute)

    found = run_sitting(BOOK, (3, 5, 8), perform, lambda: None)
    assert (found.verdict.exit_code, len(performed)) == (1, 6)


def test_a_sitting_with_one_look_uses_the_whole_level(make: RunMaker) -> None:
    assert sitting(make, 1.0, 0.001, looks=(4,)).verdict.rules[0].alpha == 0.05


def two_learners(
    make: RunMaker, book: BudgetBook, algos: tuple[str, str] = ("bp", "mf"), **head: str
) -> Sitting:
    minute = iter(range(100))

    def perform(turn: Turn) -> GateRun:
        run = make.run(
            1000.0 + turn.pair,
            name=f"{turn.side}-{turn.pair}",
            seed=turn.pair,
            algo=algos[turn.side == "head"],
            minute=2.0 * next(minute),
        )
        told = head if turn.side == "head" else {}
        report = replace(run.report, workload=replace(run.report.workload, **told))
        return replace(run, report=report)

    return run_sitting(book, (3, 5, 8), perform, lambda: None)


def test_two_different_things_are_refused_after_the_first_pair(make: RunMaker) -> None:
    found = two_learners(make, BOOK)
    assert (len(found.head), found.verdict.exit_code) == (1, 4)
    assert "algo: mf / bp" in found.verdict.rules[0].message


def test_one_learner_is_compared_with_another_where_that_is_meant(make: RunMaker) -> None:
    found = two_learners(make, ad_hoc_book(0.05, "5%", across_learners=True))
    assert (len(found.head), found.verdict.outcome) == (3, "pass")
    assert not any("algo" in warning for warning in found.verdict.budgets[0].warnings)


@pytest.mark.parametrize("head", [{"precision": "bf16"}, {"compiled": "inductor"}], ids=str)
def test_two_learners_must_be_executed_alike_and_one_need_not(make: RunMaker, head: dict[str, str]) -> None:
    book, (key,) = ad_hoc_book(0.05, "5%", across_learners=True), head
    refused = two_learners(make, book, **head)
    assert refused.verdict.exit_code == 4
    assert f"{key}: {head[key]} / " in refused.verdict.rules[0].message
    assert two_learners(make, book, ("mf", "mf"), **head).verdict.outcome == "pass"
    assert two_learners(make, BOOK, ("mf", "mf"), **head).verdict.exit_code == 4


def test_looks_are_cut_to_the_seeds_that_are_given() -> None:
    assert planned_looks(BOOK, None) == (3, 5, 8)
    assert planned_looks(BOOK, 4) == (3, 4)
    assert planned_looks(BOOK, 20) == (3, 5, 8, 20)
    with pytest.raises(UsageError, match="2 seeds give no interval"):
        planned_looks(BOOK, 2)


def test_the_machine_may_cool_down_between_runs_but_not_before_the_first(make: RunMaker) -> None:
    events: list[str] = []

    def perform(turn: Turn) -> GateRun:
        events.append("run")
        return make.run(1000.0 + turn.pair, name=f"{turn.side}{turn.pair}", minute=2.0 * len(events))

    run_sitting(BOOK, (3,), perform, lambda: events.append("pause"))
    assert events == ["run", *["pause", "run"] * 5]


def side(tmp_path: Path, command: str) -> CommandSide:
    return CommandSide(command=command, out=tmp_path / "out", folder=tmp_path)


def test_placeholders_are_filled_and_energyprof_run_gets_its_flags(tmp_path: Path) -> None:
    out = str((tmp_path / "out").resolve())
    assert side(tmp_path, "python t.py --seed {seed} --out={out}").arguments(3) == [
        "python", "t.py", "--seed", "3", f"--out={out}",
    ]  # fmt: skip
    assert side(tmp_path, "energyprof run --algo mf").arguments(1)[-4:] == ["--seed", "1", "--out", out]
    assert side(tmp_path, "energyprof run --seed 9").arguments(1)[2:] == ["--seed", "9", "--out", out]
    given = ["--seed=9", "--out=elsewhere"]
    assert side(tmp_path, f"energyprof run {' '.join(given)}").arguments(1)[2:] == given
    assert side(tmp_path, "x").environment(5)["ENERGYPROF_SEED"] == "5"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("", "the command is empty"),
        ("python 'x", "cannot read the command"),
        ("no-such-program-here", "cannot start the base command"),
        (f"{sys.executable} -c pass", "wrote 0 runs, not one"),
        (f"{sys.executable} -c 'import sys; sys.exit(\"it broke\")'", "ended with 1 under seed 0: it broke"),
    ],
)
def test_a_command_that_gives_no_run_is_one_clear_line(tmp_path: Path, command: str, expected: str) -> None:
    taken = CommandTurns(sides={"base": side(tmp_path, command)})
    with pytest.raises(UsageError) as caught:
        taken.perform(Turn(pair=0, side="base"))
    assert expected in str(caught.value)


def test_the_automatic_pause_is_a_tenth_of_a_run_at_most_half_a_minute() -> None:
    slept: list[float] = []
    taken = CommandTurns(sides={}, sleep=slept.append)
    for taken._last_s in (0.0, 20.0, 4000.0):
        taken.pause()
    fixed = CommandTurns(sides={}, cooldown_s=1.5, sleep=slept.append)
    fixed.pause()
    assert slept == [2.0, 30.0, 1.5]


def test_a_cooldown_is_auto_or_a_time() -> None:
    assert parse_cooldown("auto") is None
    assert parse_cooldown("90") == parse_cooldown("1.5 min") == 90
    for text in ("soon", "-3", "2 h", "3 J"):
        with pytest.raises(UsageError):
            parse_cooldown(text)
