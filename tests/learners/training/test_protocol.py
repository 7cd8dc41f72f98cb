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
from learners.training.stopping import Patience


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
    ],
)
def test_a_protocol_that_cannot_be_meant_is_an_error(make: Callable[[], Protocol], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_convergence_is_by_default_that_of_the_published_comparisons() -> None:
    protocol = Protocol.convergence()
    assert (protocol.patience, protocol.min_delta, protocol.epochs) == (20, 0.0, 100)
    assert protocol.restore_best


@pytest.mark.parametrize("protocol", [Protocol.fixed(5), Protocol.convergence(), Protocol.matched(30)])
def test_the_record_of_a_protocol_is_plain_json(protocol: Protocol) -> None:
    record = protocol.as_dict()
    assert json.loads(json.dumps(record)) == record
    assert record["rule"] == protocol.rule.value
    assert (record["patience"] is None) == (protocol.patience is None)


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


def test_an_improvement_must_exceed_the_minimum() -> None:
    watch = Patience(2, min_delta=0.1)
    assert [watch.improves(k, value) for k, value in enumerate([1.0, 0.95, 0.85, 0.8])] == [
        True,
        False,
        True,
        False,
    ]


def test_without_patience_it_never_stops() -> None:
    watch = Patience(None)
    for epoch in range(100):
        watch.improves(epoch, 1.0)
    assert not watch.exhausted
