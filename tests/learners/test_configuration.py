from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.errors import UnknownName, UsageError
from learners.configuration import LearnerConfig, configure, describe, setting
from learners.registry import entries, entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Example(LearnerConfig):
    rate: float = setting(0.1, "a rate", source="somewhere", low=0.0, high=1.0)
    count: int = setting(3, "a count", low=1)
    limit: float | None = setting(None, "a limit, or none")
    loss: Literal["ce", "mse"] = setting("ce", "a choice")
    cool: bool = setting(False, "a switch")


def test_texts_become_typed_values_and_the_rest_keeps_its_default():
    config = configure(Example, {"rate": "1e-3", "count": "7", "loss": "mse", "cool": "yes", "limit": "2"})
    assert config == Example(rate=1e-3, count=7, loss="mse", cool=True, limit=2.0)
    assert configure(Example, {}) == Example()


@pytest.mark.parametrize(("text", "value"), [("true", True), ("ON", True), ("0", False), ("No", False)])
def test_switches_take_the_usual_words(text, value):
    assert configure(Example, {"cool": text}).cool is value


def test_none_is_taken_only_where_it_may_be():
    assert configure(Example, {"limit": "none"}).limit is None
    with pytest.raises(UsageError, match="count=none cannot be read"):
        configure(Example, {"count": "none"})


def test_an_unknown_setting_names_the_nearest():
    with pytest.raises(UnknownName, match="unknown setting of Example 'rat': did you mean 'rate'"):
        configure(Example, {"rat": "1"})


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("rate", "fast", "rate=fast cannot be read: rate must be a number from 0 to 1"),
        ("rate", "1.5", "rate=1.5 does not fit: rate must be a number from 0 to 1"),
        ("rate", "nan", "rate=nan does not fit: rate must be a number from 0 to 1"),
        ("rate", "inf", "rate=inf does not fit"),
        ("count", "0", "count=0 does not fit: count must be a whole number from 1 up"),
        ("count", "2.5", "count=2.5 cannot be read"),
        ("limit", "nan", "limit=nan does not fit: limit must be a number or none"),
        ("loss", "cross", "loss=cross does not fit: loss must be one of ce, mse"),
        ("cool", "maybe", "cool=maybe cannot be read: cool must be true or false"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_in_one_line(name, text, message):
    with pytest.raises(UsageError) as caught:
        configure(Example, {name: text})
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "values", [{"rate": "0.1"}, {"count": 2.0}, {"count": True}, {"cool": 1}, {"loss": None}]
)
def test_values_given_from_python_are_checked_too(values):
    with pytest.raises(UsageError, match="does not fit"):
        Example(**values)


@pytest.mark.parametrize(
    ("algo", "settings", "message"),
    [
        (
            "bp",
            {"momentum": "0.5"},
            "momentum=0.5 does nothing with optimizer=adamw: leave it out",
        ),
        ("ff", {"alpha": "2"}, "alpha=2.0 does nothing with loss=bce: leave it out, or set loss=symba"),
        ("ff", {"loss": "symba", "threshold": "2"}, "threshold=2.0 does nothing with loss=symba"),
        (
            "ff",
            {"head_lr": "0.1"},
            "head_lr=0.1 does nothing with inference=label-trial, negatives=uniform: leave it out, or set "
            "inference=one-pass or negatives=hard",
        ),
        ("ff", {"head_weight_decay": "0.1"}, "head_weight_decay=0.1 does nothing"),
        ("cafo", {"ridge": "3"}, "ridge=3.0 does nothing with predictor=ce"),
        ("cafo", {"block_lr": "3"}, "block_lr=3.0 does nothing with blocks=random"),
        ("cafo", {"block_weight_decay": "3"}, "block_weight_decay=3.0 does nothing with blocks=random"),
        (
            "cafo",
            {"predictor": "mse", "lr": "1"},
            "lr=1.0 does nothing with predictor=mse: leave it out, or set predictor=ce or predictor=spar",
        ),
        ("cafo", {"predictor": "mse", "weight_decay": "1"}, "weight_decay=1.0 does nothing"),
        (
            "cafo",
            {"predictor": "mse", "optimizer": "sgd"},
            "optimizer=sgd does nothing with predictor=mse, blocks=random: leave it out",
        ),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused_in_one_line(algo, settings, message):
    with pytest.raises(UsageError) as caught:
        configure(entry(algo).config, settings)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("algo", "settings"),
    [
        ("bp", {"momentum": "0.5", "optimizer": "sgd"}),
        ("ff", {"alpha": "2", "loss": "symba"}),
        ("ff", {"threshold": "2", "head_lr": "0.1", "negatives": "hard"}),
        ("ff", {"head_weight_decay": "0.1", "inference": "one-pass"}),
        ("cafo", {"ridge": "3", "predictor": "mse", "block_lr": "1", "blocks": "dfa"}),
        ("cafo", {"lr": "1", "predictor": "sparsemax", "optimizer": "sgd"}),
        ("cafo", {"optimizer": "sgd", "predictor": "mse", "blocks": "dfa"}),
    ],
)
def test_where_it_does_something_it_is_taken(algo, settings):
    config = configure(entry(algo).config, settings)
    assert all(str(getattr(config, name)) in (text, f"{text}.0") for name, text in settings.items())


def test_every_setting_that_needs_another_names_one_that_there_is():
    for known in entries().values():
        infos = {info.name: info for info in describe(known.config)}
        for info in infos.values():
            for name, values in (info.only_with or {}).items():
                assert {values} & set(infos[name].choices) or set(values) <= set(infos[name].choices)


def test_a_config_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Example().rate = 0.5


@given(st.floats(0, 1), st.integers(1, 10**9))
@settings(max_examples=50, deadline=None)
def test_what_repr_writes_is_read_back(rate, count):
    config = configure(Example, {"rate": repr(rate), "count": str(count)})
    assert (config.rate, config.count) == (rate, count)


def test_describe_lists_settings_with_choices_and_sources():
    infos = {info.name: info for info in describe(Example)}
    assert list(infos) == ["rate", "count", "limit", "loss", "cool"]
    assert infos["rate"].source == "somewhere"
    assert infos["loss"].choices == ("ce", "mse")
    assert infos["limit"].optional


def test_every_setting_of_every_learner_says_what_it_means():
    for known in entries().values():
        for info in describe(known.config):
            assert info.meaning, f"{known.name}: {info.name}"
