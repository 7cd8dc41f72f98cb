from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from energyprof.gate.baseline import Baseline
from energyprof.gate.budget import Budget
from energyprof.gate.budget_file import parse_budgets
from energyprof.gate.case import Base
from energyprof.gate.check import check_budgets
from energyprof.gate.observation import GateRun, observe
from energyprof.gate.promotion import base_from, promote
from energyprof.gate.sides import select_runs
from energyprof.gate.verdict import Effect, Outcome, Reason, RuleVerdict, Verdict
from energyprof.record.model import Provenance, RunStatus

from .conftest import BUDGET, RunMaker, change, interleaved

HEAD = 'schema = "energyprof.budget/1"\n[[budget]]\nname = "b"\nunguarded = "a test"\n'


def promoted(make: RunMaker, text: str = BUDGET, **settings: Any) -> Baseline:
    return promote(
        parse_budgets(text).budgets[0],
        make.side("base", 5, **settings),
        reason="a test",
        promoted_at="2026-03-01T00:00:00+00:00",
    )


def check(text: str, head: list[GateRun], base: Baseline | Base | None = None, **options: Any) -> Verdict:
    given = base_from(base, "b.json") if isinstance(base, Baseline) else base or Base(missing="no baseline")
    return check_budgets(parse_budgets(text), head, lambda _budget, _head: given, **options)


def rule(verdict: Verdict, name: str) -> RuleVerdict:
    return next(found for found in verdict.rules if found.name == name)


def against_runs(base: list[GateRun]) -> Any:
    def find(budget: Budget, _head: object) -> Base:
        return Base(runs=tuple(observe(run, budget) for run in select_runs(budget, base)))

    return find


def test_unchanged_code_passes(make: RunMaker) -> None:
    verdict = check(BUDGET, make.side("head", 5, day=1), promoted(make))
    assert (verdict.outcome, verdict.exit_code) == ("pass", 0)
    assert verdict.sentence == "PASS: no enforced rule failed (5 judged)."


def test_a_regression_of_15_percent_fails_on_its_line(make: RunMaker) -> None:
    verdict = check(BUDGET, make.side("head", 5, day=1, factor=1.15), promoted(make))
    found = rule(verdict, "energy_j max_increase")
    assert (verdict.exit_code, found.outcome, found.effect) == (1, "fail", "error")
    assert BUDGET.splitlines()[(found.line or 0) - 1] == 'max_increase = "5%"'
    assert found.estimate == pytest.approx(1.15, abs=0.02)
    assert (found.low or 0) > 1.05
    told = ("of the baseline", "limit +5%", "5 against 5 runs, welch", "detectable")
    assert all(part in found.message for part in told)


def test_a_broken_learner_fails_although_it_is_cheaper_and_improves_nothing(make: RunMaker) -> None:
    verdict = check(BUDGET, make.side("head", 5, day=1, factor=0.5, accuracy=0.5), promoted(make))
    assert verdict.exit_code == 1
    assert verdict.rules[0].guard
    assert rule(verdict, "test_accuracy min").outcome == "fail"
    assert not any(found.improved for found in verdict.rules)


def test_an_improvement_is_named(make: RunMaker) -> None:
    verdict = check(BUDGET, make.side("head", 5, day=1, factor=0.8), promoted(make))
    assert rule(verdict, "energy_j max_increase").improved
    assert "improved: mnist-mf: energy_j max_increase" in verdict.sentence


def test_a_changed_protocol_is_refused_as_not_comparable(make: RunMaker) -> None:
    head = make.side("head", 5, day=1, protocol={"name": "fixed", "epochs": 4})
    verdict = check(BUDGET, head, promoted(make))
    found = rule(verdict, "energy_j max_increase")
    assert (verdict.exit_code, found.outcome, found.reason) == (4, "invalid", Reason.INCOMPARABLE)
    assert "protocol.epochs: 4 / 5" in found.message
    assert rule(verdict, "energy_j max").outcome == "pass"


def test_another_device_is_refused_by_name(make: RunMaker) -> None:
    verdict = check(BUDGET, make.side("head", 5, day=1, cpu="Other CPU"), promoted(make))
    assert verdict.exit_code == 4
    assert "device: Other CPU / Test CPU" in rule(verdict, "energy_j max_increase").message


def test_runs_that_differ_among_themselves_are_not_judged_at_all(make: RunMaker) -> None:
    head = [*make.side("head", 4, day=1), make.run(name="odd", cpu="Other CPU")]
    verdict = check(BUDGET, head, promoted(make))
    assert rule(verdict, "energy_j max").reason is Reason.INCOMPARABLE


def test_another_host_only_warns(make: RunMaker) -> None:
    verdict = check(BUDGET, make.side("head", 5, day=1, host="host-b"), promoted(make))
    assert verdict.exit_code == 0
    assert "runs differ in host: host-b / host-a" in verdict.budgets[0].warnings


def test_runs_of_one_seed_are_told_where_figures_are_judged_by_their_spread(make: RunMaker) -> None:
    head = make.side("head", 5, day=1, seed=3)
    (told,) = check(BUDGET, head, promoted(make)).budgets[0].warnings
    assert told.startswith("all 5 head runs have seed 3: they differ by the machine alone")
    exact = f'{HEAD}[budget.metrics.flops]\nmax = "2e12 FLOP"\n'
    assert not any("seed" in told for told in check(exact, head).budgets[0].warnings)


def test_interleaved_runs_with_the_same_seeds_are_judged_in_pairs(make: RunMaker) -> None:
    text = BUDGET.replace('"5%"', '"0.5%"')
    energies = [1000.0, 1300.0, 1600.0, 1900.0]  # seeds matter far more than the change does
    base, head = interleaved(make, 4, energies, [1.001 * e for e in energies])
    verdict = check_budgets(parse_budgets(text), head, against_runs(base))
    found = rule(verdict, "energy_j max_increase")
    assert (found.design, found.outcome) == ("paired", "pass")


def test_a_pair_with_an_excluded_half_is_left_out(make: RunMaker) -> None:
    energies = [1000.0, 1100.0, 1200.0, 1300.0]
    base, head = interleaved(make, 4, energies, energies)
    head[1] = make.run(9000.0, name="head-1", seed=1, minute=4.0, flags=["throttled"])
    verdict = check_budgets(parse_budgets(BUDGET), head, against_runs(base))
    found = rule(verdict, "energy_j max_increase")
    assert (found.n_head, found.n_base, found.outcome) == (3, 3, "pass")
    assert verdict.budgets[0].excluded[0].id == "head-1"


def test_unknown_noise_between_sittings_can_only_warn(make: RunMaker) -> None:
    text = BUDGET.split("[noise")[0]
    verdict = check(text, make.side("head", 5, day=1, factor=1.15), promoted(make))
    found = rule(verdict, "energy_j max_increase")
    assert (found.outcome, found.effect, found.reason) == ("fail", "warn", Reason.UNKNOWN_NOISE)
    assert verdict.exit_code == 0
    assert "not known" in found.message


def test_noise_between_sittings_is_learned_from_a_baseline_of_three_sittings(make: RunMaker) -> None:
    text = BUDGET.split("[noise")[0]
    runs = [
        run
        for day, factor in enumerate((1.0, 1.004, 0.997, 1.002))
        for run in make.side(f"day{day}", 2, day=day, factor=factor)
    ]
    base = promote(parse_budgets(text).budgets[0], runs, reason="a test", promoted_at="2026")
    verdict = check(text, make.side("head", 5, day=9, factor=1.15), base)
    assert rule(verdict, "energy_j max_increase").enforced
    assert verdict.exit_code == 1


def test_noise_between_sittings_makes_a_small_regression_inconclusive(make: RunMaker) -> None:
    noisy = BUDGET.replace('energy_j = "0.3%"', 'energy_j = "5%"')
    verdict = check(noisy, make.side("head", 8, day=1, factor=1.12), promoted(make))
    found = rule(verdict, "energy_j max_increase")
    assert found.outcome == "inconclusive"
    assert "not even 1000 runs a side would decide" in found.message


def test_estimated_energy_is_never_enforced_as_joules(make: RunMaker) -> None:
    settings: dict[str, Any] = {"source": Provenance.ESTIMATED}
    verdict = check(BUDGET, make.side("head", 5, day=1, factor=1.5, **settings), promoted(make, **settings))
    energy = [found for found in verdict.rules if found.metric == "energy_j"]
    assert [found.outcome for found in energy] == ["fail", "fail"]
    assert all(found.effect is Effect.WARN and not found.enforced for found in energy)
    assert all("estimated, not measured: not enforced as joules" in found.message for found in energy)
    assert verdict.exit_code == 0


def test_deterministic_metrics_gate_where_energy_is_estimated(make: RunMaker) -> None:
    text = f'{HEAD}baseline = "x.json"\n[budget.metrics.flops]\nmax_increase = "0%"\n'
    base = promote(
        parse_budgets(text).budgets[0],
        [make.run(name="base", source=Provenance.COUNTER)],
        reason="a test",
        promoted_at="2026",
    )
    for flops, code in ((1e12, 0), (1.001e12, 1)):
        head = [make.run(None, name="head", flops=flops, cpu="Hosted CPU", source=Provenance.ESTIMATED)]
        assert check(text, head, base).exit_code == code


def test_a_memory_peak_declared_deterministic_is_exact_with_one_run(make: RunMaker) -> None:
    over = make.run(name="over", memory=512 * 1024**2 + 1)
    verdict = check(BUDGET, [over], promoted(make))
    assert rule(verdict, "peak_device_memory_bytes max").outcome == "fail"
    assert verdict.exit_code == 1


def test_one_or_two_runs_cannot_be_compared_and_say_how_many_could(make: RunMaker) -> None:
    verdict = check(BUDGET, make.side("head", 2, day=1, factor=3), promoted(make))
    found = rule(verdict, "energy_j max_increase")
    assert (found.outcome, found.reason, found.runs_needed) == ("inconclusive", Reason.TOO_FEW_RUNS, 3)


def test_the_same_run_on_both_sides_is_refused(make: RunMaker) -> None:
    base = promoted(make)
    verdict = check(BUDGET, make.side("base", 5), base)
    assert (verdict.exit_code, rule(verdict, "energy_j max_increase").reason) == (4, Reason.SAME_RUN)
    originals = make.side("base", 5)
    copy = [replace(run, report=change(run, "run", id=f"copy-{run.id}").report) for run in originals]
    assert check(BUDGET, copy, base).exit_code == 4


@pytest.mark.parametrize(
    ("new", "what_to_do"),
    [
        (
            0,
            "all are in the baseline; make new runs, and check those by name:  energyprof check RUN...",
        ),
        (2, "check only those that are not its baseline:  energyprof check new-0 new-1"),
        (6, "check only those that are not its baseline:  energyprof check RUN..."),
    ],
)
def test_a_check_of_promoted_runs_says_which_to_check_instead(
    make: RunMaker, new: int, what_to_do: str
) -> None:
    verdict = check(BUDGET, [*make.side("base", 5), *make.side("new", new, day=1)], promoted(make))
    assert rule(verdict, "energy_j max_increase").message == (
        f"the same run stands on both sides (base-0): {what_to_do}"
    )


def test_a_new_budget_without_a_baseline_is_skipped_with_the_command_to_promote(make: RunMaker) -> None:
    verdict = check(BUDGET, make.side("head", 5), Base(missing="promote one with ..."))
    found = rule(verdict, "energy_j max_increase")
    assert (found.outcome, found.effect, verdict.exit_code) == ("invalid", "warn", 0)
    assert verdict.outcome is Outcome.INCONCLUSIVE  # a new metric does not pass silently
    strict = BUDGET.replace("[defaults]", '[defaults]\non_missing_baseline = "error"')
    assert check(strict, make.side("head", 5)).exit_code == 4
    lax = BUDGET.replace("[defaults]", '[defaults]\non_missing_baseline = "pass"')
    assert rule(check(lax, make.side("head", 5)), "energy_j max_increase").effect is Effect.OK


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"energy_j": None}, Reason.MISSING_METRIC),
        ({"energy_j": 0.0}, Reason.UNFIT_VALUES),
        ({"energy_j": -5.0}, Reason.UNFIT_VALUES),
        ({"status": RunStatus.PARTIAL}, Reason.UNFIT_RUNS),
        ({"flags": ["throttled"]}, Reason.UNFIT_RUNS),
        ({"accuracy": 1.2}, Reason.UNFIT_VALUES),
        ({"algo": "bp"}, Reason.MISSING_RUNS),
    ],
    ids=str,
)
def test_runs_that_cannot_be_judged_are_invalid_and_say_why(
    make: RunMaker, settings: dict[str, Any], reason: Reason
) -> None:
    rest = {key: value for key, value in settings.items() if key != "energy_j"}
    energy = settings.get("energy_j", 1500.0)
    head = [make.run(energy, name=f"h{i}", seed=i, **rest) for i in range(3)]
    verdict = check(BUDGET, head, promoted(make))
    assert verdict.exit_code == 4
    assert reason in {found.reason for found in verdict.rules}
    assert verdict.outcome is Outcome.INVALID


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_zero_or_negative_baseline_is_invalid(make: RunMaker, value: float) -> None:
    runs = [observe(make.run(value, name=f"b{i}", seed=i)) for i in range(3)]
    verdict = check(BUDGET, make.side("head", 5, day=1), Base(runs=tuple(runs)))
    found = rule(verdict, "energy_j max_increase")
    assert (found.outcome, found.reason, verdict.exit_code) == ("invalid", Reason.UNFIT_VALUES, 4)


POLICIES = [
    ("on_inconclusive", {"factor": 1.055}, "inconclusive"),
    ("on_missing_metric", {"memory": None}, "invalid"),
    ("on_incomparable", {"cpu": "Other CPU"}, "invalid"),
]


@pytest.mark.parametrize(("policy", "settings", "outcome"), POLICIES, ids=lambda value: str(value)[:20])
@pytest.mark.parametrize(("value", "effect"), [("pass", "ok"), ("warn", "warn"), ("error", "error")])
def test_every_policy_value_does_what_it_says(
    make: RunMaker, policy: str, settings: dict[str, Any], outcome: str, value: str, effect: str
) -> None:
    text = BUDGET.replace("[defaults]", f'[defaults]\n{policy} = "{value}"')
    verdict = check(text, make.side("head", 5, day=1, **settings), promoted(make))
    touched = [found for found in verdict.rules if found.outcome == outcome]
    assert touched
    assert {found.effect for found in touched} == {effect}
    assert verdict.exit_code == {"ok": 0, "warn": 0, "error": 3 if outcome == "inconclusive" else 4}[effect]


@pytest.mark.parametrize(("level", "code", "judged"), [("off", 0, 3), ("warn", 0, 5), ("error", 1, 5)])
def test_every_level_does_what_it_says(make: RunMaker, level: str, code: int, judged: int) -> None:
    text = BUDGET.replace("primary = true", f'primary = true\nlevel = "{level}"')
    verdict = check(text, make.side("head", 5, day=1, factor=1.5), promoted(make))
    assert (verdict.exit_code, len(verdict.rules)) == (code, judged)
    if level == "warn":
        assert "warnings: mnist-mf: energy_j max" in verdict.sentence


def test_strict_makes_an_inconclusive_rule_count(make: RunMaker) -> None:
    head, base = make.side("head", 5, day=1, factor=1.055), promoted(make)
    assert check(BUDGET, head, base).exit_code == 0
    assert check(BUDGET, head, base, strict=True).exit_code == 3


def test_a_failure_precedes_an_invalid_rule_precedes_an_inconclusive_one(make: RunMaker) -> None:
    text = BUDGET.replace("[defaults]", '[defaults]\non_missing_metric = "error"')
    base = promoted(make)
    undecided = make.side("head", 5, day=1, factor=1.055)
    assert check(text, undecided, base, strict=True).exit_code == 3
    missing = make.side("head", 5, day=1, factor=1.055, memory=None)
    assert check(text, missing, base, strict=True).exit_code == 4
    failed = make.side("head", 5, day=1, factor=1.055, memory=None, accuracy=0.5)
    assert check(text, failed, base, strict=True).exit_code == 1


def test_rules_that_are_not_primary_share_their_level(make: RunMaker) -> None:
    names = ("energy_j", "duration_s", "mean_power_w")
    text = HEAD + 'baseline = "x"\n'
    text += "".join(f'[budget.metrics.{name}]\nmax_increase = "5%"\n' for name in names)
    text = text.replace('"5%"', '"5%"\nprimary = true', 1)
    text += '[noise."Test CPU"]\n' + "".join(f"{name} = 0\n" for name in names)
    base, head = make.side("base", 4), make.side("head", 4, day=1)
    verdict = check_budgets(parse_budgets(text), head, against_runs(base))
    levels = {found.metric: found.alpha_fail for found in verdict.rules}
    assert levels["energy_j"] == 0.05
    assert levels["duration_s"] == levels["mean_power_w"] == 0.025  # neither comes near to failing


def test_a_planned_look_is_judged_at_half_the_level(make: RunMaker) -> None:
    verdict = check(BUDGET, make.side("head", 3, day=1), promoted(make), planned_look=True)
    assert rule(verdict, "energy_j max_increase").alpha == 0.025  # two samples
    assert rule(verdict, "energy_j max").alpha == pytest.approx(0.021)  # one


TARGET = (
    HEAD
    + """baseline = "x.json"
[budget.target]
value = 0.9
sustained = 2
[budget.metrics.energy_to_accuracy_j]
max_increase = "10%"
primary = true
[budget.metrics.samples_to_accuracy]
max_increase = "0%"
[noise."Test CPU"]
energy_to_accuracy_j = 0
"""
)
SELDOM = (0.5, None, 0.91, None, 0.92)  # evaluated every second epoch
LEARNS, FLICKERS = (0.5, 0.8, 0.91, 0.92, 0.93), (0.5, 0.91, 0.8, 0.91, 0.89)


def learners(
    make: RunMaker, name: str, curves: list[tuple[float | None, ...]], day: int = 0
) -> list[GateRun]:
    return [
        make.run(1000.0 + i, name=f"{name}{i}", seed=i, minute=day * 1440 + 2 * i, curve=curve)
        for i, curve in enumerate(curves)
    ]


def test_energy_to_accuracy_is_that_at_which_the_target_was_held(make: RunMaker) -> None:
    (run,) = learners(make, "r", [LEARNS])
    (budget,) = parse_budgets(TARGET).budgets
    readings = observe(run, budget).readings
    assert readings["energy_to_accuracy_j"].value == pytest.approx(800.0)  # fourth of five epochs
    assert readings["samples_to_accuracy"].value == 4000
    seldom = observe(learners(make, "s", [SELDOM])[0], budget).readings
    assert seldom["samples_to_accuracy"].value == 5000
    assert math.isinf(
        observe(learners(make, "f", [FLICKERS])[0], budget).readings["energy_to_accuracy_j"].value
    )


def test_a_run_that_misses_where_all_of_base_reach_fails_by_its_reach_rate(make: RunMaker) -> None:
    base = learners(make, "base", [LEARNS] * 3)
    head = learners(make, "head", [LEARNS, FLICKERS, LEARNS], day=1)
    verdict = check_budgets(parse_budgets(TARGET), head, against_runs(base))
    found = rule(verdict, "energy_to_accuracy_j reach_rate")
    assert (found.outcome, verdict.exit_code) == ("fail", 1)
    assert "2 of 3 head and 3 of 3 base runs reach the target" in found.message


def test_where_every_run_reaches_the_target_energy_is_compared_as_usual(make: RunMaker) -> None:
    base, head = learners(make, "base", [LEARNS] * 3), learners(make, "head", [LEARNS] * 3, day=1)
    verdict = check_budgets(parse_budgets(TARGET), head, against_runs(base))
    assert verdict.exit_code == 0
    assert {found.outcome for found in verdict.rules} == {"pass"}


def test_where_both_sides_miss_nothing_is_decided(make: RunMaker) -> None:
    base = learners(make, "base", [LEARNS, LEARNS, FLICKERS])
    head = learners(make, "head", [LEARNS, FLICKERS, FLICKERS], day=1)
    verdict = check_budgets(parse_budgets(TARGET), head, against_runs(base))
    assert rule(verdict, "energy_to_accuracy_j reach_rate").outcome == "inconclusive"
    assert rule(verdict, "energy_to_accuracy_j max_increase").outcome == "inconclusive"


def test_a_baseline_promoted_with_another_target_is_refused(make: RunMaker) -> None:
    base = promote(
        parse_budgets(TARGET).budgets[0],
        learners(make, "base", [LEARNS] * 3),
        reason="a test",
        promoted_at="2026",
    )
    text = TARGET.replace("value = 0.9", "value = 0.92")
    verdict = check(text, learners(make, "head", [LEARNS] * 3, day=1), base)
    assert "promoted with another target" in rule(verdict, "energy_to_accuracy_j max_increase").message
    assert verdict.exit_code == 4


def test_carbon_with_another_intensity_is_not_compared(make: RunMaker) -> None:
    text = f'{HEAD}baseline = "x"\n[budget.metrics.co2e_kg]\nmax_increase = "5%"\nlevel = "error"\n'
    base = [change(run, "carbon", intensity_g_per_kwh=400.0) for run in make.side("base", 3, co2e_kg=1e-4)]
    runs = make.side("head", 3, day=1, co2e_kg=1e-5)
    head = [change(run, "carbon", intensity_g_per_kwh=56.0) for run in runs]
    verdict = check_budgets(parse_budgets(text), head, against_runs(base))
    assert (verdict.exit_code, verdict.rules[0].reason) == (4, Reason.INCOMPARABLE)


def test_runs_that_match_no_budget_are_named(make: RunMaker) -> None:
    head = [*make.side("head", 3), make.run(name="stray", algo="ff")]
    assert check(BUDGET, head).warnings == ("1 run matches no budget: stray",)


@pytest.mark.parametrize(
    ("lacks", "name", "where"),
    [
        ({"accuracy": None}, "test_accuracy min", "log it with prof.log(test_accuracy=...)"),
        ({"energy_j": None}, "energy_j max", "'energyprof doctor' says what this machine can measure"),
    ],
)
def test_a_figure_that_a_run_lacks_comes_with_where_it_is_from(
    make: RunMaker, lacks: dict[str, None], name: str, where: str
) -> None:
    verdict = check(BUDGET, [make.run(**{"name": "bare", **lacks})], promoted(make))
    assert rule(verdict, name).message.endswith(f": {where}")
