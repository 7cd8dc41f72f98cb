"""Compiled steps: the same learning, no trace of the warm-up, and clear words where it cannot be done."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten

from energyprof.errors import DeviceError, TrainingFailed, UsageError
from learners.base import Batch, DataSpec, Learner, Metrics
from learners.configuration import configure
from learners.registry import build, entry
from learners.training import compilation
from learners.training.compilation import check_compiler, compile_stage, compiler_name
from learners.training.execution import Execution
from learners.training.learner_state import capture, copied
from learners.training.loop import train
from learners.training.precision import Precision, computing
from learners.training.protocol import Protocol

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
SPEC = DataSpec(shape=(1, 4, 4), classes=3)


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile to torch's own operations: all of the compiler but its slow last stage."""
    monkeypatch.setattr(compilation, "_compiled", partial(compilation._compiled, backend="aot_eager"))


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    torch.compiler.reset()


def make(name: str, arch: str = "mlp:12,8", **settings: str) -> Learner:
    rate = {} if settings.get("predictor") == "mse" else {"lr": "0.01"}  # a closed form has none
    return build(name, SPEC, arch, configure(entry(name).config, {**rate, **settings}))


def batch(seed: int, size: int = 8) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return Batch(torch.rand(size, 1, 4, 4, generator=generator), torch.arange(size) % 3)


def difference(one: Learner, other: Learner) -> float:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max(float((a - b).detach().abs().max()) for a, b in pairs)


def assert_same(state: Any, expected: Any) -> None:
    leaves, shape = tree_flatten(state)
    others, other_shape = tree_flatten(expected)
    assert shape == other_shape
    for leaf, other in zip(leaves, others, strict=True):
        assert torch.equal(leaf, other) if isinstance(leaf, torch.Tensor) else leaf == other


def compare_steps(learner: Learner, eager: Learner, epochs: int = 4) -> float:
    """Train both, one compiled; return the greatest difference of a weight."""
    for stage, plain in zip(learner.stages(), eager.stages(), strict=True):
        if not stage.compiles:
            continue
        compiled = compile_stage(learner, stage, batch(0), partial(learner.on_epoch, 0, epochs), CPU)
        for epoch in range(epochs):
            for one in (learner, eager):
                one.on_epoch(epoch, epochs)
            assert torch.allclose(
                compiled.step(batch(epoch))["loss"], plain.step(batch(epoch))["loss"], atol=1e-5
            )
    return difference(learner, eager)


@pytest.mark.parametrize(
    ("name", "arch", "settings"),
    [
        ("bp", "mlp:12,8", {}),
        ("bp", "conv:4", {}),
        ("mf", "mlp:12,8", {}),
        ("mf", "mlp:12,8", {"optimizer": "sgd"}),
        ("mf", "mlp:12,8", {"schedule": "sequential"}),
        ("mf", "mlp:12,8", {"schedule": "pipelined"}),
        ("mf", "conv:4", {}),
        ("ff", "mlp:12,8", {}),
        ("cafo", "conv:4", {}),
        # sgd: before batch normalisation a bias has next to no gradient, and Adam divides by it
        ("cafo", "conv:4", {"blocks": "dfa", "predictor": "mse", "optimizer": "sgd"}),
        ("dfa", "mlp:12,8", {}),
        ("mf-joint", "mlp:12,8", {}),
    ],
    ids=str,
)
@pytest.mark.usefixtures("light")
def test_a_compiled_step_learns_what_the_plain_one_learns(
    name: str, arch: str, settings: dict[str, str]
) -> None:
    assert compare_steps(make(name, arch, **settings), make(name, arch, **settings)) <= 1e-5


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler for inductor")
@pytest.mark.parametrize("name", ["mf"])
def test_so_does_one_compiled_by_inductor(name: str) -> None:
    assert compare_steps(make(name, "mlp:6"), make(name, "mlp:6")) <= 1e-5


@pytest.mark.usefixtures("light")
def test_our_steps_are_one_graph() -> None:
    from torch._dynamo.utils import counters

    for name in ("bp", "mf", "dfa", "bp-ds", "mf-joint"):
        learner = make(name)
        (stage,) = learner.stages()
        compile_stage(learner, stage, batch(0), lambda: None, CPU)
        assert (counters["stats"]["unique_graphs"], sum(counters["graph_break"].values())) == (1, 0), name


@pytest.mark.usefixtures("light")
@pytest.mark.parametrize("name", ["mf", "ff", "bp"])
def test_the_warm_up_leaves_no_trace(name: str) -> None:
    learner = make(name)
    stage = next(learner.stages())
    stage.step(batch(5))
    before, generator = copied(capture(learner)), torch.get_rng_state()
    compile_stage(learner, stage, batch(0), partial(learner.on_epoch, 3, 4), CPU)
    assert_same(capture(learner), before)
    assert torch.equal(torch.get_rng_state(), generator)


@pytest.mark.usefixtures("light")
def test_a_learning_rate_that_falls_compiles_nothing_anew() -> None:
    learner = make("ff")
    (stage,) = learner.stages()
    compiled = compile_stage(learner, stage, batch(0), lambda: None, CPU)
    for epoch in range(10):
        learner.on_epoch(epoch, 10)
        compiled.step(batch(epoch))


class Fickle(Learner):
    """Its step depends on a number that is not a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(3, 16))
        self.rule = 0

    def step(self, batch: Batch) -> Metrics:
        if self.rule == 2:
            raise ArithmeticError("two is too much")
        with torch.no_grad():
            self.weight.add_(self.rule)
        return {"loss": self.weight.detach().sum()}

    def scores(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.weight.detach().t()


@pytest.mark.usefixtures("light")
def test_a_step_that_would_be_compiled_while_training_ends_the_run() -> None:
    learner = Fickle()
    (stage,) = learner.stages()
    compiled = compile_stage(learner, stage, batch(0), lambda: None, CPU)
    compiled.step(batch(0))
    learner.rule = 1
    with pytest.raises(TrainingFailed, match="stage 'train' would have to be compiled anew"):
        compiled.step(batch(0))


@pytest.mark.usefixtures("light")
def test_what_fails_in_the_warm_up_is_one_line_and_the_learner_is_put_back() -> None:
    learner = Fickle()
    (stage,) = learner.stages()
    with pytest.raises(UsageError, match=r"'train' cannot be compiled \(.*ArithmeticError.*leave") as caught:
        compile_stage(learner, stage, batch(0), partial(setattr, learner, "rule", 2), CPU)
    assert "\n" not in str(caught.value)
    assert learner.rule == 0


class Restless(Fickle):
    """Another step every time."""

    def step(self, batch: Batch) -> Metrics:
        self.rule += 1
        return {"loss": (self.weight.detach() * self.rule).sum()}


@pytest.mark.usefixtures("light")
def test_a_step_that_never_settles_is_told_so() -> None:
    learner = Restless()
    (stage,) = learner.stages()
    with pytest.raises(UsageError, match=r"every one of .* steps had to be compiled anew"):
        compile_stage(learner, stage, batch(0), lambda: None, CPU)


def test_a_machine_without_a_compiler_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(
        DeviceError, match=r"seen no 'no-such-compiler': install one .* or leave --compile out"
    ):
        check_compiler(CPU)
    monkeypatch.setattr(compilation, "find_spec", lambda _: None)
    with pytest.raises(DeviceError, match="needs Triton on CUDA"):
        check_compiler(GPU)


def test_the_record_names_the_compiler() -> None:
    assert (compiler_name(CPU), compiler_name(GPU)) == ("inductor", "inductor, CUDA graphs")


class Idle(Fickle):
    """Computes nothing."""

    def step(self, batch: Batch) -> Metrics:
        return {}


@pytest.mark.usefixtures("light")
def test_a_step_with_nothing_to_compile_is_told_so() -> None:
    learner = Idle()
    (stage,) = learner.stages()
    with pytest.raises(UsageError, match="nothing in a step that can be compiled"):
        compile_stage(learner, stage, batch(0), lambda: None, CPU)


@pytest.mark.usefixtures("light")
def test_on_cuda_the_step_is_graphed_whole_and_what_it_writes_to_is_held_in_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No GPU here: what torch is asked for."""
    asked: list[Any] = []
    monkeypatch.setattr(torch, "compile", lambda step, **how: (asked.append(how), step)[1])
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: asked.append("begin"))
    assert compilation._compiled.func(lambda _: {}, GPU)(batch(0)) == {}  # type: ignore[attr-defined]
    assert asked == [{"mode": "reduce-overhead", "dynamic": False}, "begin"]


@pytest.mark.usefixtures("light")
@pytest.mark.parametrize("precision", [Precision.FP32, Precision.BF16])
def test_a_whole_training_compiled_equals_one_that_is_not(
    precision: Precision, tiny_task: Any, meter: Any
) -> None:
    losses = []
    for compiled in (False, True):
        learner = make("mf", schedule="sequential")
        how = Execution(device=CPU, precision=precision, compiled=compiled)
        losses.append(train(learner, tiny_task, Protocol.fixed(2), meter, execution=how).test.loss)
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    phases = meter.phases()
    assert "layer1/forward" in phases
    assert "compile" in phases


@pytest.mark.usefixtures("light")
def test_a_compiled_stage_has_phases_around_its_steps_and_none_inside(tiny_task: Any, meter: Any) -> None:
    how = Execution(device=CPU, compiled=True)
    train(make("mf"), tiny_task, Protocol.fixed(1), meter, execution=how)
    assert meter.phases() == ["plan", "compile", "train/data", "train", "evaluate"]


def test_autocast_is_part_of_what_is_compiled() -> None:
    with computing(Precision.BF16, CPU):
        assert torch.compile(torch.nn.functional.linear, backend="eager")(
            torch.ones(2, 2), torch.ones(2, 2)
        ).dtype is (torch.bfloat16)
