"""Stopping rules and budgets."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.errors import UsageError
from learners.training.protocol import Protocol
from learners.training.stopping import WATCHABLE, Patience, Watched


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Protocol.fixed(0), "--epochs 0 would train nothing: give 1 or more"),
        (lambda: Protocol.fixed(-1), "--epochs -1"),
        (lambda: Protocol.matched(0), "--passes 0 would train nothing"),
        (lambda: Protocol.convergence(cap=0), "--epochs 0"),
        (lambda: Protocol.convergence(patience=0), "patience 0 would stop before it began"),
        (lambda: Protocol.convergence(min_delta=math.nan), "min delta nan cannot be"),
        (lambda: Protocol.fixed(1, evaluate_every=0), "evaluating every 0 epochs cannot be"),
        (
            lambda: Protocol.convergence(watch="acuracy"),  # type: ignore[arg-type]
            "unknown figure to watch 'acuracy': did you mean 'accuracy'",
        ),
    ],
)
def test_a_protocol_that_cannot_be_meant_is_an_error(make: Callable[[], Protocol], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_convergence_is_by_default_that_of_the_published_comparisons() -> None:
    protocol = Protocol.convergence()
    assert (protocol.patience, protocol.min_delta, protocol.epochs) == (20, 0.0, 100)
    assert protocol.restore_best
    assert protocol.watch == "loss"


@pytest.mark.parametrize("protocol", [Protocol.fixed(5), Protocol.convergence(), Protocol.matched(30)])
def test_the_record_of_a_protocol_is_plain_json(protocol: Protocol) -> None:
    record = protocol.as_dict()
    assert json.loads(json.dumps(record)) == record
    assert record["rule"] == protocol.rule.value
    assert (record["patience"] is None) == (protocol.patience is None)
    assert (record["watched"] is None) == (protocol.patience is None)


@pytest.mark.parametrize("watch", WATCHABLE)
def test_the_record_says_what_was_watched(watch: Watched) -> None:
    assert Protocol.convergence(watch=watch).as_dict()["watched"] == f"validation_{watch}"


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 300), st.lists(st.one_of(st.none(), st.integers(1, 5)), min_size=1, max_size=8))
def test_matched_passes_add_up_and_differ_by_one_at_most(passes: int, demanded: list[int | None]) -> None:
    free = demanded.count(None)
    fixed = sum(d or 0 for d in demanded)
    if free == 0 or passes < fixed + free:
        return
    plan = Protocol.matched(passes).plan(demanded)
    assert sum(plan) == passes
    shares = [count for count, d in zip(plan, demanded, strict=True) if d is None]
    assert max(shares) - min(shares) <= 1
    assert shares == sorted(shares, reverse=True)
    assert all(count == d for count, d in zip(plan, demanded, strict=True) if d is not None)


def reference_stop(values: list[float], patience: int) -> tuple[int, int | None]:
    """Return epochs done and the best epoch, by looking at the whole list."""
    for done in range(1, len(values) + 1):
        seen = values[:done]
        best = min(range(done), key=lambda k: (seen[k], k))
        if done - 1 - best >= patience:
            return done, best
    return len(values), min(range(len(values)), key=lambda k: (values[k], k))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 10), min_size=1, max_size=30), st.integers(1, 5))
def test_patience_stops_where_the_definition_says(values: list[float], patience: int) -> None:
    watch, done = Patience(patience), 0
    for epoch, value in enumerate(values):
        watch.improves(epoch, value)
        done += 1
        if watch.exhausted:
            break
    assert (done, watch.best_epoch) == reference_stop(values, patience)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 10), min_size=1, max_size=30), st.sampled_from([0.0, 0.1, 1e-3]))
def test_a_loss_is_held_against_the_least_one_less_the_minimum_to_the_bit(
    values: list[float], min_delta: float
) -> None:
    watch, best = Patience(None, min_delta), math.inf
    for epoch, value in enumerate(values):
        assert watch.improves(epoch, value) == (value < best - min_delta)
        best = value if value < best - min_delta else best
    assert watch.best == best


def test_an_improvement_must_exceed_the_minimum() -> None:
    watch = Patience(2, min_delta=0.1)
    assert [watch.improves(k, value) for k, value in enumerate([1.0, 0.95, 0.85, 0.8])] == [
        True,
        False,
        True,
        False,
    ]


def of_equals(watched: Watched, values: list[float], min_delta: float = 0.0) -> tuple[list[bool], int | None]:
    watch = Patience(9, min_delta, watched)
    return [watch.improves(k, value) for k, value in enumerate(values)], watch.best_epoch


def test_accuracy_is_better_high_and_the_first_of_equals_stays() -> None:
    assert of_equals("accuracy", [0.5, 0.7, 0.7, 0.6]) == ([True, True, False, False], 1)
    assert of_equals("loss", [0.7, 0.5, 0.5, 0.6]) == ([True, True, False, False], 1)


def test_an_accuracy_must_exceed_the_best_by_more_than_the_minimum() -> None:
    assert of_equals("accuracy", [0.5, 0.5625, 0.625, 0.75], 0.125) == ([True, False, False, True], 3)


def test_an_accuracy_of_nothing_is_better_than_none_yet() -> None:
    assert of_equals("accuracy", [0.0, 0.0]) == ([True, False], 0)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=30),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.01, 0.3]),
)
def test_watching_accuracy_is_watching_its_negative_as_a_loss(
    values: list[float], patience: int, min_delta: float
) -> None:
    high, low = Patience(patience, min_delta, "accuracy"), Patience(patience, min_delta)
    for epoch, value in enumerate(values):
        assert high.improves(epoch, value) == low.improves(epoch, -value)
        assert (high.best, high.best_epoch, high.exhausted) == (-low.best, low.best_epoch, low.exhausted)


@pytest.mark.parametrize("watched", WATCHABLE)
def test_patience_goes_on_from_plain_data(watched: Watched) -> None:
    watch = Patience(2, 0.1, watched)
    watch.improves(0, 0.5)
    copy = Patience.from_dict(json.loads(json.dumps(watch.as_dict())))
    assert [copy.improves(k, 0.5) for k in (1, 2)] == [False, False]
    assert copy.exhausted
    assert (copy.watched, copy.best, copy.best_epoch) == (watched, 0.5, 0)


def test_patience_written_before_there_was_a_choice_watches_the_loss() -> None:
    older = {"epochs": 2, "min_delta": 0.0, "best": 0.4, "best_epoch": 1, "last": 2}
    watch = Patience.from_dict(older)
    assert watch.watched == "loss"
    assert watch.improves(3, 0.3)


def test_without_patience_it_never_stops() -> None:
    watch = Patience(None)
    for epoch in range(100):
        watch.improves(epoch, 1.0)
    assert not watch.exhausted
