"""What holds for every learner under ``--precision bf16``: products are narrow, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from learners.base import Batch, DataSpec, Learner
from learners.configuration import configure
from learners.networks.dense import Dense
from learners.networks.optimizer import FusedOptimizer
from learners.networks.product import product, widened
from learners.registry import build, entry
from learners.training.precision import Precision, computing

CPU = torch.device("cpu")
VARIANTS = [
    ("bp", "mlp:64,48", {}),
    ("bp", "mlp:64,48", {"checkpoint": "2", "accumulate": "2"}),
    ("bp", "conv:4,6", {}),
    ("bp-ds", "mlp:64,48", {}),
    ("mf-joint", "mlp:64,48", {}),
    ("mf", "mlp:64,48", {}),
    ("mf", "mlp:64,48", {"schedule": "sequential"}),
    ("mf", "mlp:64,48", {"schedule": "pipelined"}),
    ("mf", "mlp:64,48", {"predsim": "0.9"}),
    ("mf", "conv:4,6", {}),
    ("ff", "mlp:64,48", {}),
    ("ff", "mlp:64,48", {"inference": "one-pass"}),
    ("ff", "mlp:64,48", {"negatives": "hard", "peer": "0.03"}),
    ("cafo", "conv:4,6", {}),
    ("cafo", "conv:4,6", {"predictor": "sparsemax"}),
    ("cafo", "conv:4,6", {"predictor": "mse"}),
    ("cafo", "conv:4,6", {"blocks": "dfa"}),
    ("dfa", "mlp:64,48", {}),
    ("dfa", "mlp:64,48", {"rule": "fa"}),
]
every_variant = pytest.mark.parametrize(("name", "arch", "settings"), VARIANTS, ids=str)


class Products(TorchDispatchMode):
    """Writes down the types of the operands of matrix products and convolutions, as they really run."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[str, frozenset[torch.dtype]]] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in ("mm", "addmm", "addmm_", "bmm", "_linear_pointwise") or "conv" in name:
            tensors = (leaf for leaf in tree_leaves(args) if isinstance(leaf, Tensor))
            self.seen.add((name, frozenset(t.dtype for t in tensors)))
        return func(*args, **(kwargs or {}))


def make(name: str, arch: str, settings: dict[str, str]) -> Learner:
    spec = DataSpec(shape=(1, 8, 8), classes=10)
    return build(name, spec, arch, configure(entry(name).config, settings))


def batch_for(learner: Learner, seed: int = 0, size: int = 64) -> Batch:
    centres = torch.rand(10, 1, 8, 8, generator=torch.Generator().manual_seed(99))
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 10, (size,), generator=generator)
    x = (centres[y] + 0.1 * torch.randn(size, 1, 8, 8, generator=generator)).clamp(0, 1)
    return Batch(x if learner.input_scale == "unit" else (x - 0.5) / 0.3, y)


def train(learner: Learner, batches: list[Batch], epochs: int = 1) -> list[Tensor]:
    losses = []
    for stage in learner.stages():
        for epoch in range(stage.epochs or epochs):
            learner.on_epoch(epoch, epochs)
            losses += [stage.step(batch)["loss"] for batch in batches]
    return losses


@contextmanager
def gradients_seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Tensor]]:
    """Collect the gradients that optimizers are given, and check that they and the moments are fp32."""
    seen: list[Tensor] = []
    step = FusedOptimizer.step

    def noting(self: FusedOptimizer, closure: None = None) -> None:
        for parameter in self.param_groups[0]["params"]:
            seen.append(parameter.grad.clone())
            held = (parameter, parameter.grad, *self.state[parameter].values())
            assert {tensor.dtype for tensor in held} == {torch.float32}
        step(self, closure)

    with monkeypatch.context() as patch:
        patch.setattr(FusedOptimizer, "step", noting)
        yield seen


@every_variant
def test_products_take_bfloat16_and_a_closed_form_no_less_than_fp32(
    name: str, arch: str, settings: dict[str, str]
) -> None:
    learner = make(name, arch, settings)
    with computing(Precision.BF16, CPU), Products() as products:
        train(learner, [batch_for(learner)])
        learner.scores(batch_for(learner).x)
    closed = settings.get("predictor") == "mse"
    types = {dtypes for _, dtypes in products.seen}
    assert frozenset([torch.bfloat16]) in types
    wider = {frozenset([torch.float32]), frozenset([torch.float64])}  # its products, and its solution
    assert types == {frozenset([torch.bfloat16])} | (wider if closed else set())


@every_variant
def test_weights_scores_and_losses_stay_fp32(name: str, arch: str, settings: dict[str, str]) -> None:
    learner = make(name, arch, settings)
    batch = batch_for(learner)
    with computing(Precision.BF16, CPU):
        outputs = [*train(learner, [batch]), learner.scores(batch.x), learner.loss(batch)]
    held = [*outputs, *learner.parameters(), *(b for b in learner.buffers() if b.is_floating_point())]
    assert {tensor.dtype for tensor in held} == {torch.float32}


@every_variant
def test_first_gradients_are_those_of_fp32_but_for_eight_bits(
    name: str, arch: str, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {}
    for precision in (Precision.FP32, Precision.BF16):
        learner = make(name, arch, settings)
        with gradients_seen(monkeypatch) as seen, computing(precision, CPU):
            losses = train(learner, [batch_for(learner)])
        found[precision] = seen, losses
    (exact, losses), (narrow, narrow_losses) = found[Precision.FP32], found[Precision.BF16]
    assert len(exact) == len(narrow)
    assert torch.allclose(torch.stack(losses), torch.stack(narrow_losses), rtol=0.02)
    if exact:  # a closed form has none
        whole, narrowed = (torch.cat([g.flatten() for g in some]) for some in (exact, narrow))
        assert float((whole - narrowed).norm()) <= 0.05 * float(whole.norm())


@every_variant
def test_it_learns_in_bfloat16_what_it_learns_in_fp32(name: str, arch: str, settings: dict[str, str]) -> None:
    learner = make(name, arch, settings if settings.get("predictor") == "mse" else {"lr": "0.01"} | settings)
    test = batch_for(learner, seed=1000, size=200)
    with computing(Precision.BF16, CPU):
        train(learner, [batch_for(learner, seed) for seed in range(8)], epochs=12)
        right = learner.scores(test.x).argmax(1) == test.y
    assert float(right.float().mean()) > 0.9


def test_fp32_is_left_as_it_was() -> None:
    """The run of a learner in fp32 gives the same bits inside :func:`computing` and outside of it."""
    outcomes = []
    for inside in (False, True):
        learner = make("mf", "mlp:64,48", {})
        if inside:
            with computing(Precision.FP32, CPU):
                train(learner, [batch_for(learner)])
        else:
            train(learner, [batch_for(learner)])
        outcomes.append(torch.cat([p.detach().flatten() for p in learner.parameters()]))
    assert torch.equal(*outcomes)


def test_a_product_is_narrow_and_widened_on_demand_and_double_is_left_alone() -> None:
    a, b = torch.rand(4, 6), torch.rand(5, 6)
    with computing(Precision.BF16, CPU):
        narrow = product(a, b)
        wide = widened(narrow)
    assert (narrow.dtype, wide.dtype) == (torch.bfloat16, torch.float32)
    assert torch.allclose(wide, a @ b.t(), rtol=0.02)
    double = torch.rand(3, dtype=torch.float64)
    assert widened(double) is double


def test_a_bias_gradient_is_summed_in_fp32() -> None:
    """512 ones and a 256th: in bfloat16 the sum of 256 ones no longer grows."""
    dense = Dense.standard(3, 2, torch.Generator().manual_seed(0), CPU)
    delta = torch.ones(1024, 2, dtype=torch.bfloat16)
    with computing(Precision.BF16, CPU), torch.no_grad():
        dense.set_gradient(delta, torch.rand(1024, 3))
    assert torch.equal(dense.bias.grad, torch.full((2,), 1024.0))
