from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.analysis.explanation import Profile, explain, profile_of
from energyprof.errors import UsageError
from energyprof.record.model import (
    Environment,
    PhaseEnergy,
    Provenance,
    Quantity,
    Report,
    RunInfo,
    RunStatus,
    Totals,
)

POSITIVE = st.floats(1e-3, 1e6)


def joules(value: float) -> Quantity:
    return Quantity(value=value, source=Provenance.COUNTER)


def profile(
    name: str, phases: dict[str, float], duration: float, samples: float | None, idle: float | None = None
) -> Profile:
    return Profile(
        name=name,
        runs=1,
        energy_j=math.fsum(phases.values()),
        duration_s=duration,
        samples=samples,
        steps=10.0,
        phases=phases,
        idle_j=idle,
    )


@settings(max_examples=150, deadline=None)
@given(
    a=st.dictionaries(st.sampled_from("pqrs"), POSITIVE, min_size=1),
    b=st.dictionaries(st.sampled_from("pqrs"), POSITIVE, min_size=1),
    times=st.tuples(POSITIVE, POSITIVE),
    samples=st.tuples(POSITIVE, POSITIVE),
    idle=st.floats(0, 0.9),
)
def test_every_split_adds_up_to_the_whole_exactly(
    a: dict[str, float],
    b: dict[str, float],
    times: tuple[float, float],
    samples: tuple[float, float],
    idle: float,
) -> None:
    one = profile("a", a, times[0], samples[0], idle * sum(a.values()))
    two = profile("b", b, times[1], samples[1], 0.1 * sum(b.values()))
    found = explain(one, two)
    log, change = math.log(found.ratio), 100 * (found.ratio - 1)
    for terms in (found.factors, found.phases, found.idle):
        assert math.fsum(t.log for t in terms) == pytest.approx(log, rel=1e-6, abs=1e-8)
        assert math.fsum(t.points for t in terms) == pytest.approx(change, rel=1e-6, abs=1e-6)


def test_the_factors_are_passes_time_a_pass_and_power() -> None:
    a = profile("A", {"train": 59.0}, 50.0, 750.0)
    b = profile("B", {"train": 100.0}, 80.0, 1000.0)
    found = explain(a, b)
    assert [t.name for t in found.factors] == ["passes over the data", "time a pass", "mean power"]
    logs = [math.log(0.75), math.log((50 / 750) / (80 / 1000)), math.log((59 / 50) / (100 / 80))]
    assert [t.log for t in found.factors] == pytest.approx(logs)


def test_words_give_the_change_and_its_parts_in_points() -> None:
    a = profile("A", {"train": 59.0}, 50.0, 750.0)
    b = profile("B", {"train": 100.0}, 80.0, 1000.0)
    first = explain(a, b).words[0]
    assert first.startswith("A used 41 % less energy than B: ")
    assert "points from fewer passes over the data" in first
    assert "points from less time a pass" in first


def test_a_term_that_pulls_the_other_way_is_said_so() -> None:
    a = profile("A", {"train": 90.0}, 50.0, 1000.0)
    b = profile("B", {"train": 100.0}, 80.0, 1000.0)
    first = explain(a, b).words[0]
    assert "the other way from higher mean power" in first
    assert "none from passes over the data" in first


def test_a_phase_that_only_one_side_has_is_a_term_too() -> None:
    a = profile("A", {"forward": 20.0, "local update": 30.0}, 5.0, 10.0)
    b = profile("B", {"forward": 20.0, "backward": 80.0}, 8.0, 10.0)
    terms = {t.name: t for t in explain(a, b).phases}
    assert terms["backward"].log < 0 < terms["local update"].log
    assert terms["forward"].log == pytest.approx(0)


def test_the_same_energy_is_said_to_be_the_same() -> None:
    a = profile("A", {"train": 100.0}, 50.0, 10.0)
    assert explain(a, a).words == ("A and A used the same energy to within 0.1 %.",)


def test_without_samples_steps_stand_in_and_without_both_time_alone() -> None:
    a, b = profile("A", {"t": 1.0}, 1.0, None), profile("B", {"t": 2.0}, 1.0, None)
    assert [t.name for t in explain(a, b).factors] == ["steps", "time a step", "mean power"]
    bare = [
        Profile(
            name="x", runs=1, energy_j=2.0, duration_s=1.0, samples=None, steps=None, phases={}, idle_j=None
        )
    ] * 2
    assert [t.name for t in explain(*bare).factors] == ["time", "mean power"]


def test_phases_that_do_not_make_up_the_total_are_not_split() -> None:
    a = profile("A", {"train": 100.0}, 50.0, 10.0)
    part = Profile(
        name="B",
        runs=1,
        energy_j=200.0,
        duration_s=50.0,
        samples=10.0,
        steps=1.0,
        phases={"train": 1.0},
        idle_j=None,
    )
    assert explain(a, part).phases == ()


def report(energy: float | None, phases: dict[str, tuple[float, float | None]]) -> Report:
    """Make up a run; phases have a bounded and perhaps a modelled energy."""
    return Report(
        run=RunInfo(id="r", name="r", status=RunStatus.COMPLETED, started_at=""),
        environment=Environment(energyprof="0", python="3", platform="Linux"),
        totals=Totals(
            energy_j=joules(energy) if energy is not None else Quantity.missing(), duration_s=4.0, samples=8
        ),
        phases=tuple(
            PhaseEnergy(
                name=name,
                seconds=1.0,
                count=1,
                energy_j=joules(bounded),
                modelled_energy_j=joules(modelled) if modelled is not None else Quantity.missing(),
            )
            for name, (bounded, modelled) in phases.items()
        ),
    )


def test_a_profile_is_the_geometric_mean_of_its_runs_shared_out_by_kind_of_phase() -> None:
    runs = [
        report(10.0, {"train/layer1/forward": (4.0, None), "train/layer2/forward": (6.0, None)}),
        report(20.0, {"train/layer1/forward": (12.0, None), "evaluate": (8.0, None)}),
    ]
    found = profile_of(runs, "mf")
    assert found.energy_j == pytest.approx(math.sqrt(200))
    assert math.fsum(found.phases.values()) == pytest.approx(found.energy_j)
    assert found.phases["forward"] / found.phases["evaluate"] == pytest.approx(22 / 8)
    assert found.idle_j is None


def test_modelled_phases_go_before_bounded_ones_only_if_all_are() -> None:
    both = report(10.0, {"a": (5.0, 2.0), "b": (5.0, 8.0)})
    one = report(10.0, {"a": (5.0, 2.0), "b": (5.0, None)})
    assert profile_of([both], "x").phases == {"a": 2.0, "b": 8.0}
    assert profile_of([one], "x").phases == {"a": 5.0, "b": 5.0}


def test_a_run_without_energy_cannot_be_explained() -> None:
    with pytest.raises(UsageError, match="its energy is not known"):
        profile_of([report(None, {})], "mf")


def test_of_many_phases_the_rest_is_told_together() -> None:
    a = profile("A", {f"p{k}": 6.0 for k in range(10)}, 50.0, 10.0)
    b = profile("B", {f"p{k}": 10.0 for k in range(10)}, 50.0, 10.0)
    by_phase = explain(a, b).words[1]
    assert by_phase.count(" from ") == 5
    assert (
        by_phase.endswith(", 24 points from 6 other phases.") or "24 points from 6 other phases, " in by_phase
    )


def test_what_is_idle_is_named_as_a_thing() -> None:
    a = replace(profile("A", {"train": 60.0}, 7.0, 10.0), idle_j=20.0)
    b = replace(profile("B", {"train": 100.0}, 10.0, 10.0), idle_j=30.0)
    assert explain(a, b).words[-1] == "Of it, 30 points from the work above idle, 10 points from idling."


def test_single_runs_whose_bounds_overlap_are_said_to_be_undecided() -> None:
    a = replace(profile("A", {"train": 99.0}, 7.0, 10.0), energy_low_j=97.0, energy_high_j=101.0)
    b = replace(profile("B", {"train": 101.0}, 7.0, 10.0), energy_low_j=99.0, energy_high_j=103.0)
    told = "The bounds of the two energies overlap: the sensors cannot tell which used less."
    assert explain(a, b).words[1] == told
    assert told not in explain(a, replace(b, energy_low_j=101.5)).words
    assert told not in explain(a, replace(b, energy_low_j=None)).words
