"""Whole trainings on data that are poor, and data that cannot be: each learner ends well, or says why not."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from energyprof.errors import DataError, EnergyprofError, UsageError
from learners.configuration import configure
from learners.data.dataset import Dataset
from learners.registry import build, entry
from learners.training.loop import train
from learners.training.meter import NullMeter
from learners.training.outcome import Outcome
from learners.training.protocol import Protocol
from learners.training.task import ImageTask

LEARNERS: list[tuple[str, str, dict[str, str]]] = [
    ("bp", "mlp:12", {}),
    ("bp", "mlp:12,8", {"checkpoint": "2", "accumulate": "3"}),
    ("bp", "conv:4", {}),
    ("bp-ds", "mlp:12,8", {}),
    ("mf-joint", "mlp:12,8", {}),
    ("dfa", "mlp:12,8", {}),
    ("mf", "mlp:12,8", {}),
    ("mf", "mlp:12,8", {"schedule": "sequential", "cache": "true", "prediction": "last"}),
    ("mf", "mlp:12,8", {"schedule": "pipelined", "predsim": "0.9"}),
    ("mf", "conv:4", {}),
    ("ff", "mlp:12,8", {}),
    ("ff", "mlp:12,8", {"inference": "one-pass", "peer": "0.03"}),
    ("ff", "mlp:12,8", {"negatives": "hard", "loss": "symba", "goodness": "mean"}),
    ("cafo", "conv:4", {}),
    ("cafo", "conv:4", {"predictor": "mse"}),
    ("cafo", "conv:4", {"predictor": "sparsemax"}),
    ("cafo", "conv:4", {"blocks": "dfa"}),
]
every_learner = pytest.mark.parametrize(("name", "arch", "settings"), LEARNERS, ids=str)


def trained(
    data: Dataset, name: str, arch: str, settings: dict[str, str], batch_size: int = 10
) -> tuple[Outcome, ImageTask]:
    task = ImageTask(data, batch_size=batch_size, input_scale="unit" if name == "ff" else "normalised")
    learner = build(name, task.spec, arch, configure(entry(name).config, settings))
    return train(learner, task, Protocol.fixed(1), NullMeter()), task


def sized(data: Dataset, height: int, width: int) -> Dataset:
    """Repeat and cut images to another size."""
    times = (1, 1, -(-height // 4), -(-width // 4))
    train_x, test_x = (np.tile(x, times)[..., :height, :width] for x in (data.train_x, data.test_x))
    return replace(data, train_x=train_x, test_x=test_x)


@every_learner
@pytest.mark.parametrize("value", [0, 77, 255])
def test_images_that_are_all_alike_teach_nothing_and_break_nothing(
    tiny_dataset: Dataset, name: str, arch: str, settings: dict[str, str], value: int
) -> None:
    alike = replace(
        tiny_dataset,
        train_x=np.full_like(tiny_dataset.train_x, value),
        test_x=np.full_like(tiny_dataset.test_x, value),
    )
    outcome, _ = trained(alike, name, arch, settings)
    assert math.isfinite(outcome.test.loss)
    assert outcome.test.accuracy == pytest.approx(1 / 3)  # one class for all of three


@every_learner
def test_a_class_without_training_images_is_no_error(
    tiny_dataset: Dataset, name: str, arch: str, settings: dict[str, str]
) -> None:
    outcome, _ = trained(replace(tiny_dataset, train_y=tiny_dataset.train_y % 2), name, arch, settings)
    assert math.isfinite(outcome.test.loss)


@every_learner
@pytest.mark.parametrize("shape", [(7, 5), (2, 9), (3, 3)])
def test_odd_sizes_of_images_are_fine(
    tiny_dataset: Dataset, name: str, arch: str, settings: dict[str, str], shape: tuple[int, int]
) -> None:
    outcome, task = trained(sized(tiny_dataset, *shape), name, arch, settings)
    assert task.spec.shape == (1, *shape)
    assert math.isfinite(outcome.test.loss)


@every_learner
def test_a_batch_of_one_is_enough(
    tiny_dataset: Dataset, name: str, arch: str, settings: dict[str, str]
) -> None:
    outcome, _ = trained(tiny_dataset, name, arch, settings, batch_size=1)
    assert math.isfinite(outcome.test.loss)


@every_learner
def test_images_of_one_pixel_are_trained_on_or_refused_in_one_line(
    tiny_dataset: Dataset, name: str, arch: str, settings: dict[str, str]
) -> None:
    pixel = sized(tiny_dataset, 1, 1)
    if arch.startswith("mlp") and name != "ff":
        assert math.isfinite(trained(pixel, name, arch, settings)[0].test.loss)
        return
    with pytest.raises(UsageError, match=r"too deep|cannot write|flat data") as caught:
        trained(pixel, name, arch, settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", ["train", "test"])
def test_labels_that_name_no_class_are_refused_before_training(tiny_dataset: Dataset, part: str) -> None:
    bad = replace(tiny_dataset, **{f"{part}_y": getattr(tiny_dataset, f"{part}_y") + 1})
    where = "test " if part == "test" else ""
    with pytest.raises(DataError, match=f"^{where}labels must be int64 from 0 to 2, seen 1 to 3"):
        ImageTask(bad, batch_size=10)


def test_so_is_one_label_among_the_validation_images_alone(tiny_dataset: Dataset) -> None:
    for index in range(len(tiny_dataset.train_y)):
        labels = tiny_dataset.train_y.copy()
        labels[index] = 9
        with pytest.raises(DataError, match=r"labels must be int64 from 0 to 2, seen 0 to 9"):
            ImageTask(replace(tiny_dataset, train_y=labels), batch_size=10)


def test_a_part_without_images_is_refused(tiny_dataset: Dataset) -> None:
    for data in (
        replace(tiny_dataset, validation_size=0),
        replace(tiny_dataset, test_x=tiny_dataset.test_x[:0], test_y=tiny_dataset.test_y[:0]),
    ):
        with pytest.raises(EnergyprofError, match="labels must be int64 from 0 to 2, seen none"):
            ImageTask(data, batch_size=10)


@pytest.mark.parametrize(
    ("name", "arch", "shape"),
    [("ff", "mlp:", (4, 4)), ("mf", "mlp:", (4, 4)), ("cafo", "mlp:8", (4, 4)), ("ff", "conv:4", (4, 4))],
)
def test_a_net_that_a_learner_cannot_train_is_refused_in_one_line(
    tiny_dataset: Dataset, name: str, arch: str, shape: tuple[int, int]
) -> None:
    with pytest.raises(UsageError, match=f"{name} cannot train") as caught:
        trained(sized(tiny_dataset, *shape), name, arch, {})
    assert "\n" not in str(caught.value)
