from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.analysis.restopping import StoppingRule, restop
from energyprof.errors import UsageError
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
    Workload,
)


def joules(value: float) -> Quantity:
    return Quantity(value=value, source=Provenance.COUNTER)


def run(*losses: float | None, stages: tuple[tuple[str, int], ...] = (), energy: bool = True) -> Report:
    """Make up a run: 10 J and 2 s an epoch, 5 J and 1 s besides; stages as (name, epochs)."""
    names = [name for name, count in stages for _ in range(count)] or ["train"] * len(losses)
    epochs = tuple(
        Epoch(
            index=names[:k].count(names[k]),
            stage=names[k],
            start_s=2.0 * k,
            end_s=2.0 * k + 2,
            samples=100 * (k + 1),
            energy_j=joules(10.0) if energy else Quantity.missing(),
            validation_loss=loss,
            validation_accuracy=None if loss is None else 1 - loss / 10,
        )
        for k, loss in enumerate(losses)
    )
    total = joules(10.0 * len(losses) + 5) if energy else Quantity.missing()
    return Report(
        run=RunInfo(id="r", name="r", status=RunStatus.COMPLETED, started_at=""),
        environment=Environment(energyprof="0", python="3", platform="Linux"),
        totals=Totals(energy_j=total, duration_s=2.0 * len(losses) + 1),
        epochs=epochs,
    )


def test_the_rule_stops_after_so_many_epochs_without_improvement() -> None:
    found = restop(run(5, 4, 3, 3.1, 3.2, 2.0), StoppingRule(patience=2))
    assert found.epochs == 5
    assert found.energy_j == pytest.approx(55)
    assert found.duration_s == pytest.approx(11)
    assert found.samples == 500
    assert found.best_validation_accuracy == pytest.approx(0.7)
    assert found.validation_accuracy == pytest.approx(0.68)
    assert not found.stages[0].exhausted


def test_small_improvements_do_not_count() -> None:
    losses = (5.0, 4.9, 4.8, 4.7)
    assert restop(run(*losses), StoppingRule(patience=2)).epochs == 4
    assert restop(run(*losses), StoppingRule(patience=2, min_delta=0.5)).epochs == 3


def test_a_rule_that_would_go_on_is_said_to_be_cut_short() -> None:
    found = restop(run(5, 4, 3), StoppingRule(patience=3))
    assert found.stages[0].exhausted
    assert "at least these" in found.notes[0]
    assert found.energy_j == found.original_energy_j


def test_stages_stop_each_by_itself_and_later_ones_are_marked() -> None:
    report = run(3, 4, 5, 3, 2, 2.5, stages=(("layer1", 3), ("layer2", 3)))
    found = restop(report, StoppingRule(patience=1))
    assert [(s.stage, s.ran, s.kept) for s in found.stages] == [("layer1", 3, 2), ("layer2", 3, 3)]
    assert found.samples == 500
    assert any("longer than this rule" in note for note in found.notes)


def test_accuracy_is_better_when_high() -> None:
    found = restop(run(5, 4, 4, 4), StoppingRule(patience=1, metric="validation_accuracy"))
    assert found.epochs == 3
    assert found.stages[0].best_value == pytest.approx(0.6)


def test_an_equal_accuracy_is_no_improvement_and_the_first_of_equals_is_the_best() -> None:
    found = restop(run(5, 4, 4, 3), StoppingRule(patience=1, metric="validation_accuracy"))
    assert (found.epochs, found.stages[0].best) == (3, 1)


def watching(report: Report, watched: object) -> Report:
    return replace(report, workload=Workload(protocol={"watched": watched}))


@pytest.mark.parametrize(
    ("watched", "metric"),
    [
        ("validation_accuracy", "validation_accuracy"),
        ("validation_loss", "validation_loss"),
        (None, "validation_loss"),  # a fixed number of epochs
        ("f1", "validation_loss"),  # never logged
        (["f1"], "validation_loss"),  # of somebody else's making
    ],
)
def test_by_default_it_watches_what_the_run_watched(watched: object, metric: str) -> None:
    report = watching(run(5, 4, 3), watched)
    assert restop(report, StoppingRule(patience=1)).metric == metric
    assert restop(report, StoppingRule(patience=1, metric="validation_loss")).metric == "validation_loss"


def test_what_would_be_restored_goes_by_what_is_watched() -> None:
    report = run(5, 4, 4.5, 4.6)
    accuracies = zip(report.epochs, (0.5, 0.6, 0.7, 0.8), strict=True)
    epochs = tuple(replace(epoch, validation_accuracy=right) for epoch, right in accuracies)
    report = replace(report, epochs=epochs)
    by_loss = restop(report, StoppingRule(patience=2))
    by_accuracy = restop(watching(report, "validation_accuracy"), StoppingRule(patience=2))
    assert (by_loss.restored_validation_accuracy, by_loss.best_validation_accuracy) == (0.6, 0.8)
    assert (by_accuracy.restored_validation_accuracy, by_accuracy.best_validation_accuracy) == (0.8, 0.8)


def test_of_several_stages_the_last_ones_weights_are_what_is_restored() -> None:
    report = run(1, 2, 3, 2, 2.5, stages=(("layer1", 2), ("layer2", 3)))
    found = restop(report, StoppingRule(patience=1))
    assert found.best_validation_accuracy == pytest.approx(0.9)
    assert found.restored_validation_accuracy == pytest.approx(0.8)


def test_a_stage_without_any_value_restores_nothing() -> None:
    report = run(3, None, None, stages=(("layer1", 1), ("layer2", 2)))
    last = replace(report.epochs[2], validation_accuracy=0.6)
    found = restop(replace(report, epochs=(*report.epochs[:2], last)), StoppingRule(patience=5))
    assert found.restored_validation_accuracy == 0.6


def test_an_epoch_without_a_value_counts_as_no_improvement() -> None:
    assert restop(run(5, None, 3), StoppingRule(patience=1)).epochs == 2


def test_unknown_energy_stays_unknown() -> None:
    found = restop(run(5, 6, 7, energy=False), StoppingRule(patience=1))
    assert found.energy_j is None
    assert found.duration_s == pytest.approx(5)


def test_a_minimum_of_epochs_is_kept() -> None:
    assert restop(run(5, 6, 7, 8), StoppingRule(patience=1, minimum=3)).epochs == 3


@settings(max_examples=80, deadline=None)
@given(losses=st.lists(st.floats(0, 10), min_size=1, max_size=30), patience=st.integers(1, 6))
def test_more_patience_never_stops_earlier_nor_costs_less(losses: list[float], patience: int) -> None:
    report = run(*losses)
    first, second = (restop(report, StoppingRule(patience=p)) for p in (patience, patience + 1))
    assert first.epochs <= second.epochs <= len(losses)
    assert first.energy_j is not None
    assert second.energy_j is not None
    assert first.energy_j <= second.energy_j + 1e-9
    assert (first.best_validation_accuracy or 0) <= (second.best_validation_accuracy or 0) + 1e-12


@pytest.mark.parametrize(("patience", "delta"), [(0, 0.0), (-1, 0.0), (1, -0.1), (1, float("nan"))])
def test_a_rule_that_cannot_be_meant_is_refused(patience: int, delta: float) -> None:
    with pytest.raises(UsageError):
        StoppingRule(patience=patience, min_delta=delta)


def test_a_run_without_epochs_or_without_the_metric_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"no epochs.*: mark each with prof\.epoch\(\.\.\.\), .* prof\.log\("
    ):
        restop(run(), StoppingRule(patience=1))
    with pytest.raises(UsageError, match=r"never logged 'f1': it logged .*; choose one of these, or log it"):
        restop(run(1.0), StoppingRule(patience=1, metric="f1"))


def test_a_part_of_a_training_is_refused_for_its_curve_begins_in_the_middle() -> None:
    whole = run(3.0, 2.0, 2.5)
    before = ResumedFrom(run="20260101-first", stage="train", epoch=4, passes=4)
    part = replace(whole, run=replace(whole.run, resumed_from=before))
    with pytest.raises(UsageError, match="it continues 20260101-first, and its curve begins in the middle"):
        restop(part, StoppingRule(patience=1))
