from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from energyprof.analysis.comparison import Comparison, compare
from energyprof.analysis.reaching import Target, parse_target
from energyprof.analysis.statistics import Design, paired_log_ratio, welch_log_ratio
from energyprof.analysis.versus import Verdict
from energyprof.errors import UnknownName, UsageError
from energyprof.record.model import (
    Environment,
    Epoch,
    Provenance,
    Quality,
    Quantity,
    Report,
    RunInfo,
    RunStatus,
    Totals,
    Workload,
)


def run(
    algo: str,
    joules: float | None,
    *,
    seed: int = 0,
    minute: int = 0,
    accuracies: tuple[float, ...] = (),
    source: Provenance = Provenance.COUNTER,
    **work: Any,
) -> Report:
    """Make up a run of ten seconds."""
    energy = Quantity.missing()
    if joules is not None:
        energy = Quantity(value=joules, low=0.99 * joules, high=1.01 * joules, source=source)
    return Report(
        run=RunInfo(
            id=f"{algo}-{seed}-{minute}-{joules}",
            name=algo,
            status=RunStatus.COMPLETED,
            started_at=f"2026-01-01T00:{minute:02d}:00+00:00",
            seed=seed,
        ),
        environment=Environment(
            energyprof="0", python="3", platform="Linux", cpu="Test CPU", hostname_hash="abc"
        ),
        workload=Workload(algo=algo, dataset="digits", **work),
        totals=Totals(energy_j=energy, duration_s=10.0, steps=5, samples=100),
        quality=Quality(test_accuracy=accuracies[-1] if accuracies else None),
        epochs=tuple(
            Epoch(
                index=k,
                stage="train",
                start_s=k,
                end_s=k + 1,
                validation_accuracy=a,
                cumulative_energy_j=None if joules is None else joules * (k + 1) / len(accuracies),
            )
            for k, a in enumerate(accuracies)
        ),
    )


def interleaved(base: list[float], head: list[float]) -> list[Report]:
    """Make up A B B A B A ... with one seed a pair."""
    return [
        report
        for k, (b, h) in enumerate(zip(base, head, strict=True))
        for report in (run("bp", b, seed=k, minute=2 * k), run("mf", h, seed=k, minute=2 * k + 1))
    ]


def blocked(base: list[float], head: list[float]) -> list[Report]:
    """Make up A A A B B B."""
    first = [run("bp", b, seed=k, minute=k) for k, b in enumerate(base)]
    return first + [run("mf", h, seed=k, minute=30 + k) for k, h in enumerate(head)]


def ratio_of(comparison: Comparison, name: str = "energy_j") -> Any:
    """Return the ratio of the arm that is not the reference."""
    (arm,) = [a for a in comparison.groups[0].arms if not a.is_reference]
    return arm.ratios[name]


def test_runs_of_one_sitting_with_the_same_seeds_are_compared_in_pairs() -> None:
    base, head = [100.0, 110.0, 120.0], [80.0, 89.0, 95.0]
    ratio = ratio_of(compare(interleaved(base, head)))
    wanted = paired_log_ratio(base, head)
    assert ratio.design is Design.PAIRED
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((wanted.value, wanted.low, wanted.high))
    assert ratio.verdict is Verdict.LESS


def test_the_design_comes_from_the_records_and_not_from_the_tighter_interval() -> None:
    base, head = [100.0, 110.0, 120.0], [80.0, 89.0, 95.0]
    ratio = ratio_of(compare(blocked(base, head)))
    wanted = welch_log_ratio(base, head)
    assert ratio.design is Design.WELCH
    assert (ratio.low, ratio.high) == pytest.approx((wanted.low, wanted.high))


def test_two_hosts_are_no_pairs() -> None:
    runs = interleaved([100.0, 110.0, 120.0], [80.0, 89.0, 95.0])
    moved = dataclasses.replace(runs[0].environment, hostname_hash="other")
    runs[0] = dataclasses.replace(runs[0], environment=moved)
    assert ratio_of(compare(runs)).design is Design.WELCH


def test_close_arms_are_equal_within_the_margin() -> None:
    ratio = ratio_of(compare(interleaved([100, 101, 102, 100], [101, 101.5, 103, 101]), margin=0.05))
    assert ratio.verdict is Verdict.EQUAL


def test_noise_is_undecided_and_says_how_many_runs_would_decide() -> None:
    ratio = ratio_of(compare(blocked([100, 140, 80], [95, 130, 75])))
    assert ratio.verdict is Verdict.UNDECIDED
    assert ratio.more_runs is not None
    assert ratio.more_runs > 3


def test_one_run_a_side_has_no_interval_but_the_sensors_bounds() -> None:
    ratio = ratio_of(compare(blocked([100.0], [80.0])))
    assert (ratio.verdict, ratio.low) == (Verdict.SINGLE, None)
    assert ratio.bound_low == pytest.approx(0.8 * 0.99 / 1.01)
    assert ratio.bound_high == pytest.approx(0.8 * 1.01 / 0.99)


def test_a_run_without_energy_leaves_the_ratio_unknown() -> None:
    runs = [run("bp", 1.0, seed=0), run("bp", 1.1, seed=1), run("mf", 1.0, seed=2), run("mf", 1.2, seed=3)]
    totals = runs[3].totals
    unknown = dataclasses.replace(totals.energy_j, value=None)
    runs[3] = dataclasses.replace(runs[3], totals=dataclasses.replace(totals, energy_j=unknown))
    ratio = ratio_of(compare(runs))
    assert (ratio.value, ratio.verdict) == (None, Verdict.MISSING)


def test_runs_that_differ_in_data_are_never_ranked_together() -> None:
    other = run("mf", 1.0)
    other = dataclasses.replace(other, workload=dataclasses.replace(other.workload, dataset="mnist"))
    comparison = compare([run("bp", 100.0), run("bp", 101.0, seed=1), other])
    assert [group.runs for group in comparison.groups] == [(0, 1), (2,)]
    assert [d.key for d in comparison.refusals] == ["dataset"]
    assert all(group.reference is None for group in comparison.groups)


def test_backpropagation_is_the_reference_unless_another_is_named() -> None:
    runs = blocked([100.0], [80.0])
    assert compare(list(reversed(runs))).groups[0].arms[0].arm.name == "bp"
    named = compare(runs, reference="mf")
    assert named.groups[0].arms[0].arm.name == "mf"
    assert named.groups[0].reference is named.groups[0].arms[0]


def test_arms_are_ordered_reference_first_then_by_energy() -> None:
    runs = [run("ff", 300.0), run("mf", 80.0, seed=1), run("bp", 100.0, seed=2), run("cafo", 50.0, seed=3)]
    assert [a.arm.name for a in compare(runs).groups[0].arms] == ["bp", "cafo", "mf", "ff"]


def test_arms_of_one_learner_are_named_by_what_differs() -> None:
    runs = [run("mf", 1.0, batch_size=64), run("mf", 2.0, seed=1, batch_size=128, config={"lr": 0.1})]
    names = {a.arm.name for a in compare(runs).groups[0].arms}
    assert names == {"mf, batch 64, lr not given", "mf, batch 128, lr 0.1"}


def test_an_unknown_reference_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'mf'"):
        compare(blocked([1.0], [2.0]), reference="mff")


def test_a_run_given_twice_counts_once() -> None:
    runs = blocked([100.0, 101.0], [80.0, 81.0])
    comparison = compare([*runs, runs[0]])
    assert len(comparison.reports) == 4
    assert comparison.duplicates == (runs[0].run.id,)


def test_nothing_to_compare_is_said() -> None:
    with pytest.raises(UsageError, match="nothing to compare"):
        compare([])


def test_energy_to_target_counts_only_where_all_reached_it() -> None:
    target = parse_target("validation_accuracy>=0.9")
    runs = [
        run("bp", 100.0, seed=0, accuracies=(0.5, 0.95)),
        run("bp", 110.0, seed=1, accuracies=(0.5, 0.95)),
        run("mf", 80.0, seed=2, accuracies=(0.95, 0.96)),
        run("mf", 90.0, seed=3, accuracies=(0.5, 0.6)),
    ]
    bp, mf = compare(runs, target=target).groups[0].arms
    assert (bp.reached, mf.reached) == (2, 1)
    assert bp.to_target is not None
    assert bp.to_target.value == pytest.approx(math.sqrt(100 * 110))
    assert mf.to_target is not None
    assert mf.to_target.value == pytest.approx(40.0)
    assert mf.target_ratio is not None
    assert mf.target_ratio.value is None
    assert mf.target_ratio.verdict is Verdict.MISSING


def test_a_target_that_no_run_logged_is_refused() -> None:
    with pytest.raises(UsageError, match="never logged 'f1'") as caught:
        compare([run("bp", 1.0, accuracies=(0.5,))], target=Target(metric="f1", threshold=0.5))
    assert str(caught.value).endswith("log it with prof.log(f1=...) inside prof.epoch(...)")


def test_a_run_that_logged_nothing_is_not_told_to_choose_among_it() -> None:
    with pytest.raises(UsageError, match=r"nothing by epoch; log it with prof\.log\(\.\.\.\) inside prof"):
        compare([run("bp", 1.0)], target=Target(metric="val/f1", threshold=0.5))


def test_accuracy_is_compared_as_a_difference() -> None:
    runs = [run("bp", 1.0, seed=k, minute=2 * k, accuracies=(0.90 + 0.001 * k,)) for k in range(3)] + [
        run("mf", 1.0, seed=k, minute=2 * k + 1, accuracies=(0.95 + 0.002 * k,)) for k in range(3)
    ]
    ratio = ratio_of(compare(runs), "test_accuracy")
    assert ratio.value == pytest.approx(0.051)
    assert ratio.verdict is Verdict.MORE
