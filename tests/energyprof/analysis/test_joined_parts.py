"""Parts of one training: joined into its curve, with what was done twice told apart and still counted."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.analysis.joined_parts import add_up, join_parts
from energyprof.analysis.restopping import StoppingRule, restop, restop_parts
from energyprof.errors import RecordError
from energyprof.record.model import (
    Environment,
    Epoch,
    Provenance,
    Quantity,
    Report,
    ResumedFrom,
    RunInfo,
    RunStatus,
    Totals,
)

LOSSES = (5.0, 4.0, 3.0, 2.0, 2.5, 1.0)  # of the whole training, an epoch each
STAGES = ("one", "one", "one", "two", "two", "two")
BEFORE_J, TAIL_J = 2.0, 1.0  # of a part: before its first epoch, and after its last


def joules(value: float) -> Quantity:
    """Return a figure with bounds 10 % off."""
    return Quantity(value=value, low=0.9 * value, high=1.1 * value, source=Provenance.COUNTER)


def part(
    name: str, first: int, last: int, before: tuple[str, int] | None = None, *, known: bool = True
) -> Report:
    """Make up the part that did epochs ``first`` to ``last`` (without it): 10 J and 2 s each, and a bit.

    Epoch k of the training takes 10 + k joules. ``before`` names the run continued and its epochs that count.
    """
    epochs, spent = [], BEFORE_J
    for place, k in enumerate(range(first, last)):
        spent += 10.0 + k
        epochs.append(
            Epoch(
                index=STAGES[:k].count(STAGES[k]),
                stage=STAGES[k],
                start_s=1 + 2.0 * place,
                end_s=3 + 2.0 * place,
                samples=100 * (place + 1),
                energy_j=joules(10.0 + k) if known else Quantity.missing(),
                cumulative_energy_j=spent if known else None,
                validation_loss=LOSSES[k],
                validation_accuracy=1 - LOSSES[k] / 10,
            )
        )
    resumed = None
    if before is not None:
        stage = STAGES[before[1] - 1]
        done = STAGES[: before[1]].count(stage)
        resumed = ResumedFrom(run=before[0], stage=stage, epoch=done, passes=before[1])
    energy = joules(spent + TAIL_J) if known else Quantity.missing()
    return Report(
        run=RunInfo(id=name, name="mf", status=RunStatus.INTERRUPTED, started_at="", resumed_from=resumed),
        environment=Environment(energyprof="0", python="3", platform="Linux"),
        totals=Totals(energy_j=energy, duration_s=1 + 2.0 * (last - first) + 0.5),
        epochs=tuple(epochs),
    )


#: three epochs, of which two count; the third again and two more, of which one counts; the rest
PARTS = (part("a", 0, 3), part("b", 2, 5, ("a", 2)), part("c", 3, 6, ("b", 3)))


def test_every_epoch_counts_once_as_the_part_did_it_that_went_on() -> None:
    epochs = join_parts(PARTS).report.epochs
    assert [(e.stage, e.index) for e in epochs] == [(s, k % 3) for k, s in enumerate(STAGES)]
    assert [e.validation_loss for e in epochs] == list(LOSSES)
    assert [e.samples for e in epochs] == [100, 200, 300, 400, 500, 600]


def test_seconds_and_joules_of_all_parts_follow_one_another_with_their_bounds() -> None:
    joined = join_parts(PARTS)
    totals = [p.totals for p in PARTS]
    assert joined.report.totals.duration_s == sum(t.duration_s for t in totals)
    energy = joined.report.totals.energy_j
    whole = sum(t.energy_j.value or 0 for t in totals)
    assert (energy.value, energy.low, energy.high) == pytest.approx((whole, 0.9 * whole, 1.1 * whole))
    assert joined.report.epochs[2].start_s == totals[0].duration_s + 1
    earlier = (totals[0].energy_j.value or 0) + (totals[1].energy_j.value or 0)
    assert joined.report.epochs[3].cumulative_energy_j == pytest.approx(earlier + BEFORE_J + 13)
    assert joined.run_ids == ("a", "b", "c")
    assert joined.report.run.resumed_from is None


def test_what_a_break_made_to_be_done_again_is_kept_apart() -> None:
    repeats = join_parts(PARTS).repeats
    assert [(r.position, r.whole) for r in repeats] == [
        (2, True),
        (3, False),
        (3, True),
        (4, True),
        (5, False),
    ]
    assert [r.energy_j.value for r in repeats] == pytest.approx([12, TAIL_J, 13, 14, TAIL_J])
    assert [r.duration_s for r in repeats] == [2.0, 0.5, 2.0, 2.0, 0.5]
    cut = repeats[1].energy_j
    assert cut.low == 0
    assert cut.high == pytest.approx(1.1 * 36 - 0.9 * 33)  # what may at most be in no epoch


def test_a_rule_sees_the_whole_curve_and_counts_what_was_spent_on_what_it_keeps() -> None:
    found = restop_parts(PARTS, StoppingRule(patience=1))  # both stages: 4, 3 better; 2.5 is worse than 2
    assert [(s.stage, s.ran, s.kept) for s in found.stages] == [("one", 3, 3), ("two", 3, 2)]
    spent = 36 + 39 + 3 + 3 + 42  # the parts' totals: their epochs, beginnings and tails
    assert found.original_energy_j == pytest.approx(spent)
    assert found.energy_j == pytest.approx(spent - 15 - TAIL_J)  # epoch 5, and the second try that was cut
    assert found.duration_s == pytest.approx(3 * 7.5 - 2 - 0.5)
    assert found.samples == 500
    assert found.repeated is not None
    assert found.repeated.epochs == 3
    assert found.repeated.energy_j.value == pytest.approx(12 + 13 + 14)
    assert found.repeated.cut_energy_j.value == pytest.approx(2 * TAIL_J)
    assert found.repeated.kept_energy_j.value == pytest.approx(12 + 13 + 14 + TAIL_J)
    assert "Trained in 3 parts (a, b, c), joined" in found.notes[0]
    assert "39.0 J and 6.00 s went into 3 epochs that were done twice" in found.notes[1]
    assert "40.0 J of it is in the energy under this rule" in found.notes[1]


def test_a_rule_that_stops_before_the_break_leaves_out_what_came_of_it() -> None:
    stop = StoppingRule(patience=1, min_delta=10)  # nothing improves so much but the first
    found = restop_parts((part("a", 0, 3), part("b", 2, 3, ("a", 2))), stop)
    assert found.epochs == 2
    assert found.repeated is not None
    assert found.repeated.kept_energy_j.value == TAIL_J  # nobody did epoch 3, which the tail may be of
    assert found.energy_j == pytest.approx(10 + 11 + 2 * BEFORE_J + 2 * TAIL_J)


def test_bounds_of_what_is_left_hold_whatever_the_parts_truly_took() -> None:
    found = restop_parts(PARTS, StoppingRule(patience=1))
    assert found.energy_j is not None
    assert found.energy_low_j is not None
    assert found.energy_high_j is not None
    at_least, at_most = 0.9 * (10 + 11 + 12 + 13 + 14), 1.1 * (found.original_energy_j or 0)
    assert found.energy_low_j <= found.energy_j <= found.energy_high_j <= at_most
    assert found.energy_low_j >= 0
    assert found.energy_high_j >= at_least


def test_one_part_alone_is_a_run_without_a_break() -> None:
    alone = restop_parts([part("a", 0, 6)], StoppingRule(patience=1))
    assert alone == restop(part("a", 0, 6), StoppingRule(patience=1))
    assert alone.repeated is None
    assert alone.parts == ("a",)


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 2)), max_size=4), patience=st.integers(1, 3))
def test_however_it_was_cut_the_rule_keeps_the_same_epochs(
    cuts: list[tuple[int, int]], patience: int
) -> None:
    parts, done = [], 0
    for number, (kept, lost) in enumerate(cuts):
        if done + kept >= len(LOSSES):
            break
        last = min(done + kept + lost, len(LOSSES))
        parts.append(part(str(number), done, last, (str(number - 1), done) if number else None))
        done += kept
    final = (str(len(parts) - 1), done) if parts else None
    parts.append(part("last", done, len(LOSSES), final))
    rule = StoppingRule(patience=patience)
    found, whole = restop_parts(parts, rule), restop(part("whole", 0, len(LOSSES)), rule)
    assert found.stages == whole.stages
    assert (found.samples, found.validation_accuracy) == (whole.samples, whole.validation_accuracy)
    spent = math.fsum(p.totals.energy_j.value or 0.0 for p in parts)
    assert found.original_energy_j == pytest.approx(spent)
    assert (found.energy_j or 0) <= spent + 1e-9
    if found.repeated is not None:
        rest = (found.energy_j or 0) - (found.repeated.kept_energy_j.value or 0)
        breaks = (len(parts) - 1) * BEFORE_J  # each part begins anew; each tail is among the repeats
        assert rest == pytest.approx((whole.energy_j or 0) + breaks)


def test_energy_that_one_part_does_not_know_is_not_known_of_the_whole() -> None:
    found = restop_parts((part("a", 0, 3, known=False), part("b", 2, 6, ("a", 2))), StoppingRule(patience=1))
    assert (found.energy_j, found.energy_low_j, found.original_energy_j) == (None, None, None)
    assert found.repeated is not None
    assert found.repeated.epochs == 1
    assert found.repeated.energy_j.source is Provenance.MISSING
    assert "energy that is not known and 2.00 s went into 1 epoch that was done twice" in found.notes[1]


def test_a_killed_part_is_said_to_lack_its_last_second() -> None:
    first = part("a", 0, 3)
    killed = replace(first, run=replace(first.run, status=RunStatus.PARTIAL))
    found = restop_parts((killed, part("b", 2, 6, ("a", 2))), StoppingRule(patience=9))
    assert any(note.startswith("a was killed: what it spent after the end") for note in found.notes)


def test_a_hole_in_the_curve_is_an_error_that_names_the_run() -> None:
    with pytest.raises(
        RecordError, match="the record of run a lacks the last 2 epochs before its checkpoint"
    ):
        join_parts((part("a", 0, 1), part("b", 3, 6, ("a", 3))))


@pytest.mark.parametrize("passes", [0, 2])
def test_a_part_that_is_not_the_one_continued_is_an_error(passes: int) -> None:
    wrong = ResumedFrom(run="a", stage="one", epoch=3, passes=passes)
    second = part("b", 3, 6, ("a", 3))
    second = replace(second, run=replace(second.run, resumed_from=wrong))
    with pytest.raises(RecordError, match="run a was not left after 3 epochs of 'one'"):
        join_parts((part("a", 0, 3), second))


def test_nothing_adds_up_to_nothing_and_what_is_unknown_to_the_unknown() -> None:
    assert add_up([]).value == 0
    assert add_up([joules(1), Quantity.missing()]) == Quantity.missing()
    assert add_up([joules(1), joules(2)]).high == pytest.approx(3.3)
