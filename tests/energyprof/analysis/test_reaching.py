from __future__ import annotations

import pytest

from energyprof.analysis.reaching import Target, parse_target, reach
from energyprof.errors import UsageError
from energyprof.record.model import Environment, Epoch, Report, RunInfo, RunStatus


def run(*accuracies: float | None) -> Report:
    return Report(
        run=RunInfo(id="r", name="r", status=RunStatus.COMPLETED, started_at=""),
        environment=Environment(energyprof="0", python="3", platform="Linux"),
        epochs=tuple(
            Epoch(
                index=k,
                stage="train",
                start_s=k,
                end_s=k + 1.0,
                cumulative_energy_j=10.0 * (k + 1),
                validation_accuracy=accuracy,
                metrics={"f1": 0.1 * k},
            )
            for k, accuracy in enumerate(accuracies)
        ),
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("validation_accuracy>=0.97", Target(metric="validation_accuracy", threshold=0.97)),
        (" validation_accuracy >= 97% ", Target(metric="validation_accuracy", threshold=0.97)),
        ("validation_loss<=0.1", Target(metric="validation_loss", threshold=0.1, at_least=False)),
        ("layer1/goodness>2", Target(metric="layer1/goodness", threshold=2.0)),
    ],
)
def test_targets_are_read_as_people_write_them(text: str, wanted: Target) -> None:
    found = parse_target(text)
    assert (found.metric, found.at_least) == (wanted.metric, wanted.at_least)
    assert found.threshold == pytest.approx(wanted.threshold)


@pytest.mark.parametrize(
    "text", ["", "0.97", "accuracy=0.9", "accuracy>=", "a>=1e", "a>=1e999", "val_accuracy>=97"]
)
def test_what_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_target(text)


def test_the_first_epoch_that_holds_the_target_counts() -> None:
    found = reach(run(0.5, None, 0.95, 0.8, 0.99), Target(metric="validation_accuracy", threshold=0.9))
    assert found is not None
    assert (found.epoch, found.energy_j, found.duration_s) == (2, 30.0, 3.0)


def test_a_sustained_target_counts_when_it_has_been_held() -> None:
    target = Target(metric="validation_accuracy", threshold=0.9, sustained=2)
    found = reach(run(0.95, 0.5, 0.95, 0.96), target)
    assert found is not None
    assert found.epoch == 3


def test_never_is_none_and_never_logged_is_an_error() -> None:
    assert reach(run(0.5), Target(metric="validation_accuracy", threshold=0.9)) is None
    assert reach(run(0.5, 0.6), Target(metric="f1", threshold=0.1)) is not None
    with pytest.raises(UsageError, match="it logged validation_accuracy, f1"):
        reach(run(0.5), Target(metric="validation_f1", threshold=0.9))
