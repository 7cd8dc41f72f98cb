"""Outputs of frozen layers, kept for a stage: the same training, fewer products, memory known before."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from energyprof.errors import UsageError
from learners.base import Learner
from learners.configuration import configure
from learners.data.batches import ResidentData
from learners.data.dataset import Dataset
from learners.experiment import Experiment, prepare
from learners.registry import build, entry
from learners.training.flops import count_step_flops, total_flops
from learners.training.frozen_outputs import compute_frozen_outputs, frozen_bytes, frozen_passes
from learners.training.loop import train
from learners.training.memory_by_cause import measure_memory
from learners.training.meter import NullMeter
from learners.training.outcome import Outcome
from learners.training.protocol import Protocol
from learners.training.task import ImageTask

Fixture = Any  # classes that conftest hands out
VARIANTS = [
    ("mf", "mlp:24,16,12", {"schedule": "sequential"}),
    ("mf", "mlp:24,16", {"schedule": "sequential", "predsim": "0.5"}),
    ("mf", "conv:4,6", {"schedule": "sequential", "prediction": "last"}),
    ("cafo", "conv:4,6", {}),
    ("cafo", "conv:4,6", {"blocks": "dfa", "predictor": "sparsemax"}),
]
PROTOCOLS = [Protocol.fixed(2), Protocol.convergence(patience=1, cap=4), Protocol.matched(7)]


def make(task: ImageTask, name: str, arch: str, settings: dict[str, str], cache: bool) -> Learner:
    rate = {} if settings.get("predictor") == "mse" else {"lr": "0.01"}  # a closed form has none
    config = configure(entry(name).config, {**settings, **rate, "cache": str(cache)})
    return build(name, task.spec, arch, config)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: str(p.rule))
@pytest.mark.parametrize(("name", "arch", "settings"), VARIANTS, ids=str)
def test_training_from_kept_outputs_equals_training_without(
    tiny_task: ImageTask, name: str, arch: str, settings: dict[str, str], protocol: Protocol
) -> None:
    plain, cached = (make(tiny_task, name, arch, settings, cache) for cache in (False, True))
    outcomes: list[Outcome] = [
        train(learner, tiny_task, protocol, NullMeter()) for learner in (plain, cached)
    ]
    assert [stage.epochs for stage in outcomes[0].stages] == [stage.epochs for stage in outcomes[1].stages]
    for key, value in plain.state_dict().items():
        torch.testing.assert_close(cached.state_dict()[key], value, rtol=1e-5, atol=1e-7)
    assert outcomes[1].test.loss == pytest.approx(outcomes[0].test.loss, rel=1e-5)


def test_batches_of_the_same_size_give_the_same_bits(tiny_task: ImageTask) -> None:
    learner = make(tiny_task, "mf", "mlp:24,16", {"schedule": "sequential"}, True)
    _, second = (stage for stage in learner.stages())
    assert second.frozen is not None
    kept = list(tiny_task.keep_outputs(second.frozen)(3))
    plain = list(tiny_task.one_pass(3))
    assert len(kept) == len(plain)
    for ours, theirs in zip(kept, plain, strict=True):
        assert torch.equal(ours.y, theirs.y)
        alone = torch.cat([second.frozen(row[None].expand_as(theirs.x))[:1] for row in theirs.x])
        assert torch.equal(ours.x, alone)  # where a row stands in its batch does not matter


def test_all_rows_are_computed_where_batches_do_not_divide_them() -> None:
    data = ResidentData(x=torch.arange(14.0).view(7, 1, 1, 2), y=torch.arange(7))
    sizes = []

    def double(x: torch.Tensor) -> torch.Tensor:
        sizes.append(len(x))
        return 2 * x.flatten(1)

    kept = compute_frozen_outputs(data, double, 3)
    assert torch.equal(kept.x, 2 * data.x.flatten(1))
    assert sizes == [3, 3, 3]
    assert frozen_passes(7, 3) == 3
    assert frozen_bytes(kept.x[:3], 7) == kept.x.untyped_storage().nbytes()


def test_the_pass_that_fills_the_cache_is_a_phase_of_its_own(tiny_task: ImageTask, meter: Fixture) -> None:
    learner = make(tiny_task, "mf", "mlp:24,16", {"schedule": "sequential"}, True)
    train(learner, tiny_task, Protocol.fixed(2), meter)
    phases = meter.phases()
    assert "layer2/cache" in phases
    assert "layer1/cache" not in phases  # nothing lies below the first layer
    assert "layer2/frozen" not in phases
    assert meter.phases().index("layer2/cache") < phases.index("layer2/data")


def test_flops_are_those_of_the_top_layer_and_of_one_pass_below_it(tiny_task: ImageTask) -> None:
    batch = next(iter(tiny_task.one_pass(0)))
    rows, size = tiny_task.samples("train"), tiny_task.batch_size
    plain, cached = (
        count_step_flops(make(tiny_task, "mf", "mlp:24,16", {"schedule": "sequential"}, cache), batch, rows)
        for cache in (False, True)
    )
    below = 2 * size * 16 * 24  # the forward product of layer 1
    assert cached[0] == plain[0]
    assert (plain[1].once, cached[1].once) == (0, below * frozen_passes(rows, size))
    assert cached[1].step == plain[1].step - below
    outcome = train(
        make(tiny_task, "mf", "mlp:24,16", {"schedule": "sequential"}, True),
        tiny_task,
        Protocol.fixed(2),
        NullMeter(),
    )
    steps = 2 * tiny_task.steps_per_pass
    expected = steps * (cached[0].step + cached[1].step) + cached[1].once
    assert total_flops(cached, outcome.stages) == expected


def test_its_bytes_are_a_cause_of_their_own_and_predicted(tiny_task: ImageTask) -> None:
    learner = make(tiny_task, "cafo", "conv:4,6", {}, True)
    batch = next(iter(tiny_task.one_pass(0)))
    rows = tiny_task.samples("train")
    validation = tiny_task.samples("validation")
    stages = measure_memory(learner, batch, rows, validation)
    features, scores = (4 * 2 * 2, 6 * 1 * 1), 3
    kept = [4 * (rows * d + validation * (d + scores)) for d in features]
    assert [stage.cache for stage in stages] == [0, *kept]
    assert all(stage.total >= stage.cache + stage.parameters for stage in stages)
    plain = measure_memory(make(tiny_task, "cafo", "conv:4,6", {}, False), batch, rows)
    assert stages[1].activations < plain[1].activations
    assert plain[1].cache == 0


def test_augmented_images_are_refused(tiny_dataset: Dataset) -> None:
    large = dataclasses.replace(
        tiny_dataset, train_x=tiny_dataset.train_x.repeat(2, 2).repeat(2, 3), augmented=True
    )
    task = ImageTask(large, batch_size=10)
    with pytest.raises(
        UsageError, match=r"cropped and flipped anew at every pass.* leave out --set cache=true"
    ):
        task.keep_outputs(torch.nn.Identity())


def test_what_does_not_fit_is_refused_before_it_is_allocated(
    tiny_task: ImageTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("learners.training.free_memory.free_bytes", lambda _device: 2 << 10)
    with pytest.raises(UsageError, match=r"takes 0\.0 MiB, 0\.0 MiB are free on cpu: leave out --set cache"):
        tiny_task.keep_outputs(lambda x: x.flatten(1))


def test_a_run_that_would_not_fit_is_refused_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("learners.training.free_memory.free_bytes", lambda _device: 1 << 10)
    settings = {"schedule": "sequential", "cache": "true"}
    with pytest.raises(UsageError, match="stage 'layer2' with the frozen layers' outputs kept takes"):
        prepare(Experiment(algo="mf", arch="mlp:32,32", device="cpu", threads=1, settings=settings))
    prepare(Experiment(algo="mf", arch="mlp:32,32", device="cpu", threads=1))


@pytest.mark.parametrize(
    ("name", "arch", "settings", "message"),
    [
        ("mf", "mlp:8,8", {"schedule": "concurrent"}, "seen schedule=concurrent on 'mlp:8,8'"),
        ("mf", "mlp:8", {"schedule": "sequential"}, "2 hidden layers or more"),
        ("cafo", "conv:4", {"predictor": "mse"}, "predictor=mse takes one pass"),
    ],
)
def test_a_cache_that_would_hold_nothing_of_use_is_refused(
    tiny_task: ImageTask, name: str, arch: str, settings: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        make(tiny_task, name, arch, settings, True)
