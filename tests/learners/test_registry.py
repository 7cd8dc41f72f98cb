from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest
import torch

from energyprof.errors import UnknownName, UsageError
from learners import registry
from learners.algorithms.bp import Backpropagation, BackpropagationConfig, ConvBackpropagation
from learners.algorithms.mf import MonoForwardConfig
from learners.base import DataSpec
from learners.registry import build, entries, entry

DIGITS = DataSpec(shape=(1, 8, 8), classes=10)
COLOUR = DataSpec(shape=(3, 32, 32), classes=10)


def test_the_four_learners_are_there():
    assert {"bp", "ff", "cafo", "mf"} <= set(entries())


def test_an_unknown_learner_names_the_nearest():
    with pytest.raises(UnknownName, match="unknown algorithm 'caffo': did you mean 'cafo'"):
        entry("caffo")


@pytest.mark.parametrize("name", ["bp", "ff", "cafo", "mf"])
def test_every_learner_is_built_from_its_defaults(name):
    learner = build(name, DIGITS)
    assert learner.arch == entry(name).default_arch(DIGITS)
    assert learner.parameter_count() > 0
    assert learner.scores(torch.rand(3, 1, 8, 8)).shape == (3, 10)


def test_the_default_nets_are_the_published_ones():
    assert entry("mf").default_arch(DIGITS) == "mlp:1000,1000"
    assert entry("mf").default_arch(COLOUR) == "mlp:2000,2000,2000"
    assert entry("ff").default_arch(DIGITS) == "mlp:1000,1000,1000"
    assert entry("cafo").default_arch(COLOUR) == "conv:32,128,512"


def test_mono_forward_has_the_published_parameters_less_those_it_does_not_train():
    m_0, softmax_head = 10 * 3072, 2000 * 10 + 10  # counted there, trained by no local loss of a hidden layer
    assert build("mf", COLOUR).parameter_count() == 14_260_730 - m_0 - softmax_head


@pytest.mark.parametrize(
    ("twin", "kind"), [("mf", Backpropagation), ("ff", Backpropagation), ("cafo", ConvBackpropagation)]
)
def test_a_twin_is_backpropagation_on_the_other_learners_net(twin, kind):
    learner = build("bp", DIGITS, twin=twin)
    assert isinstance(learner, kind)
    assert learner.arch == entry(twin).default_arch(DIGITS)


def test_a_twin_of_anything_but_bp_is_refused():
    with pytest.raises(UsageError, match="--twin ff goes with --algo bp, seen --algo mf"):
        build("mf", DIGITS, twin="ff")


def test_an_unknown_twin_names_the_nearest():
    with pytest.raises(UnknownName, match="unknown algorithm 'mff'"):
        build("bp", DIGITS, twin="mff")


def test_a_given_architecture_goes_before_the_twins():
    assert build("bp", DIGITS, "mlp:12", twin="cafo").arch == "mlp:12"


def test_the_settings_of_another_learner_are_refused():
    with pytest.raises(
        UsageError, match="bp takes settings of BackpropagationConfig, seen MonoForwardConfig"
    ):
        build("bp", DIGITS, config=MonoForwardConfig())


def test_a_data_set_of_one_class_is_refused():
    with pytest.raises(UsageError, match="a classifier needs two classes or more, seen 1"):
        build("bp", DataSpec(shape=(1, 8, 8), classes=1))


@pytest.mark.parametrize("seed", [-(2**63), -1, 2**64 - 1])
def test_a_seed_of_64_bits_is_one(seed):
    assert build("ff", DIGITS, "mlp:4", seed=seed).parameter_count() == 64 * 4 + 4


@pytest.mark.parametrize("seed", [-(2**63) - 1, 2**64])
def test_a_seed_of_more_is_refused_in_one_line(seed):
    with pytest.raises(UsageError, match=f"--seed {seed} has too many bits: give one from -9"):
        build("bp", DIGITS, "mlp:4", seed=seed)


def test_building_leaves_the_global_random_state_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    build("cafo", DIGITS, "conv:4", seed=3)
    assert torch.equal(torch.get_rng_state(), before)


def offered() -> registry.LearnerEntry:
    return registry.LearnerEntry(
        name="theirs",
        title="Theirs",
        summary="Somebody's own.",
        paper="none",
        config=BackpropagationConfig,
        default_arch=lambda spec: "mlp:4",
        builder=Backpropagation,
    )


@pytest.fixture
def install(monkeypatch):
    def install(target: str) -> None:
        point = EntryPoint(name="theirs", value=target, group=registry.ENTRY_POINT_GROUP)
        monkeypatch.setattr(registry, "entry_points", lambda group: [point])
        monkeypatch.setattr(EntryPoint, "load", lambda self: globals()[self.value])
        registry._entries.cache_clear()

    yield install
    registry._entries.cache_clear()


def test_an_installed_package_adds_its_own_learner(install):
    install("offered")
    assert build("theirs", DIGITS).arch == "mlp:4"


def test_an_entry_point_of_another_kind_is_refused(install):
    install("DIGITS_FACTORY")
    with pytest.raises(
        UsageError, match=r"entry point 'theirs' \(DIGITS_FACTORY\) is a DataSpec, not a LearnerEntry"
    ):
        entries()


def DIGITS_FACTORY() -> DataSpec:  # noqa: N802 - named as the test names it
    return DIGITS
