"""What holds for every learner that can be asked for by name."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from learners.base import Batch, DataSpec, Learner
from learners.configuration import configure
from learners.registry import build, entries, entry

SMALL = {"cafo": "conv:4,6"}
VARIANTS = [
    ("bp", {}),
    ("ff", {}),
    ("ff", {"inference": "one-pass"}),
    ("ff", {"negatives": "hard", "peer": "0.03"}),
    ("cafo", {}),
    ("cafo", {"predictor": "mse"}),
    ("cafo", {"predictor": "sparsemax"}),
    ("mf", {}),
    ("mf", {"schedule": "sequential"}),
    ("mf", {"schedule": "pipelined"}),
    ("mf", {"predsim": "0.9"}),
    ("cafo", {"blocks": "dfa"}),
    ("bp", {"checkpoint": "2", "accumulate": "2"}),
    ("bp-ds", {}),
    ("mf-joint", {}),
    ("dfa", {}),
    ("dfa", {"rule": "fa"}),
]
every_variant = pytest.mark.parametrize(("name", "settings"), VARIANTS, ids=str)


def make(name: str, settings: dict[str, str], classes: int = 10, seed: int = 0) -> Learner:
    spec = DataSpec(shape=(1, 8, 8), classes=classes)
    return build(name, spec, SMALL.get(name, "mlp:64,48"), configure(entry(name).config, settings), seed)


def quicker(settings: dict[str, str]) -> dict[str, str]:
    """Add a learning rate that few steps are enough for; a closed form has none."""
    return settings if settings.get("predictor") == "mse" else {"lr": "0.01"} | settings


def train(learner: Learner, batches: list[Batch], epochs: int = 1) -> list[torch.Tensor]:
    losses = []
    for stage in learner.stages():
        for epoch in range(stage.epochs or epochs):
            learner.on_epoch(epoch, epochs)
            losses += [stage.step(batch)["loss"] for batch in batches]
    return losses


def blobs(count: int, scale: str, seed: int = 0) -> Batch:
    """Images that lie near one random image a class: anything that learns must learn these."""
    centres = torch.rand(10, 1, 8, 8, generator=torch.Generator().manual_seed(99))
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 10, (count,), generator=generator)
    x = (centres[y] + 0.1 * torch.randn(count, 1, 8, 8, generator=generator)).clamp(0, 1)
    return Batch(x if scale == "unit" else (x - 0.5) / 0.3, y)


def test_all_built_in_learners_have_a_variant_here():
    assert {name for name, _ in VARIANTS} == set(entries())


@every_variant
def test_it_learns_what_can_be_learnt(name, settings):
    learner = make(name, quicker(settings))
    train(learner, [blobs(64, learner.input_scale, seed=s) for s in range(8)], epochs=12)
    test = blobs(200, learner.input_scale, seed=1000)
    assert float((learner.scores(test.x).argmax(1) == test.y).float().mean()) > 0.9


@every_variant
def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(name, settings, make_batch):
    states = []
    for seed in (0, 0, 1):
        learner = make(name, settings, seed=seed)
        train(learner, [make_batch(seed=s) for s in range(2)])
        states.append(torch.cat([p.detach().flatten() for p in learner.parameters()]))
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


@every_variant
def test_a_step_returns_a_detached_scalar_loss_on_the_device(name, settings, make_batch):
    for loss in train(make(name, settings), [make_batch()]):
        assert loss.shape == ()
        assert not loss.requires_grad
        assert bool(torch.isfinite(loss))


class NoHostSync(TorchDispatchMode):
    """Refuses what waits for a device: reading a value, and shapes that depend on values."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        masked = name == "index" and any(i is not None and i.dtype == torch.bool for i in args[1])
        assert not masked
        assert name not in ("_local_scalar_dense", "nonzero", "masked_select", "equal")
        return func(*args, **(kwargs or {}))


@every_variant
def test_no_step_waits_for_the_device(name, settings, make_batch):
    learner = make(name, settings)
    for stage in learner.stages():
        stage.step(make_batch())
        with NoHostSync():
            stage.step(make_batch())
            learner.scores(make_batch().x)


@pytest.mark.parametrize(
    "read", [float, bool, lambda t: t[t > 0], torch.nonzero], ids=["float", "bool", "mask", "nonzero"]
)
def test_what_waits_is_noticed(read):
    with NoHostSync(), pytest.raises(AssertionError):
        read(torch.ones(1))


@every_variant
def test_a_batch_is_not_written_to(name, settings, make_batch):
    batch = make_batch()
    kept = Batch(batch.x.clone(), batch.y.clone())
    learner = make(name, settings)
    train(learner, [batch])
    learner.scores(batch.x)
    learner.loss(batch)
    assert torch.equal(batch.x, kept.x)
    assert torch.equal(batch.y, kept.y)


@every_variant
def test_scoring_and_validating_change_nothing(name, settings, make_batch):
    learner = make(name, settings)
    train(learner, [make_batch()])
    before = copy.deepcopy(learner.state_dict())
    assert learner.scores(make_batch().x).shape == (32, 10)
    assert learner.loss(make_batch()).shape == ()
    after = learner.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


@every_variant
def test_a_batch_of_one_is_learnt_from(name, settings, make_batch):
    losses = train(make(name, settings), [make_batch(size=1)])
    assert all(bool(torch.isfinite(loss)) for loss in losses)


@every_variant
def test_two_classes_are_enough_and_a_missing_one_is_no_error(name, settings, make_batch):
    assert make(name, settings, classes=2).scores(make_batch().x).shape == (32, 2)
    losses = train(make(name, settings), [make_batch(classes=3)])
    assert all(bool(torch.isfinite(loss)) for loss in losses)


@pytest.mark.parametrize(("name", "settings"), [v for v in VARIANTS if v[1] != {"predictor": "mse"}], ids=str)
def test_nan_inputs_give_a_nan_loss_for_the_loop_to_end_on(name, settings):
    batch = Batch(torch.full((8, 1, 8, 8), torch.nan), torch.arange(8))
    assert any(bool(loss.isnan()) for loss in train(make(name, settings), [batch]))


@every_variant
def test_constant_inputs_give_a_finite_loss(name, settings):
    losses = train(make(name, settings), [Batch(torch.full((8, 1, 8, 8), 0.5), torch.arange(8))])
    assert all(bool(torch.isfinite(loss)) for loss in losses)
