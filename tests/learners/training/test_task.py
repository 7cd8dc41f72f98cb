"""The image task: batches, and evaluation over a part of the data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from energyprof.errors import DataError, UsageError
from learners.base import Batch, Learner
from learners.data.dataset import Dataset
from learners.training import task as task_module
from learners.training.task import ImageTask


class Brightness(Learner):
    """Scores a class by the brightness of its row: right on the rows of the tiny data set."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def scores(self, x: Tensor) -> Tensor:
        self.sizes.append(len(x))
        return x[:, 0, :3].sum(2)


def test_accuracy_and_loss_are_means_over_all_images_of_a_part(tiny_dataset: Dataset) -> None:
    task, learner = ImageTask(tiny_dataset, batch_size=10), Brightness()
    test = task.evaluate(learner, "test")
    x = (torch.tensor(tiny_dataset.test_x) / 255 - 0.3) / 0.2
    y = torch.tensor(tiny_dataset.test_y).long()
    expected = torch.nn.functional.cross_entropy(learner.scores(x), y)
    assert test.loss == pytest.approx(float(expected), rel=1e-5)
    assert test.accuracy == 1.0
    assert test.samples == 30


def test_evaluation_does_not_depend_on_the_size_of_its_chunks(
    tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, learner = ImageTask(tiny_dataset, batch_size=10), Brightness()
    whole = task.evaluate(learner, "test")
    monkeypatch.setattr(task_module, "EVALUATION_BATCH", 7)
    chunked = task.evaluate(learner, "test")
    assert learner.sizes == [30, 7, 7, 7, 7, 2]
    assert chunked.loss == pytest.approx(whole.loss, rel=1e-6)


def test_a_stage_may_bring_a_loss_of_its_own(tiny_dataset: Dataset) -> None:
    task = ImageTask(tiny_dataset, batch_size=10)
    found = task.evaluate(Brightness(), "validation", lambda batch: batch.y.double().mean())
    assert 0 < found.loss < 2
    assert found.accuracy == 1.0


def test_a_learner_may_have_a_loss_of_its_own(tiny_dataset: Dataset) -> None:
    class Constant(Brightness):
        def loss(self, batch: Batch) -> Tensor:
            return torch.tensor(7.0)

    assert ImageTask(tiny_dataset, batch_size=10).evaluate(Constant(), "test").loss == pytest.approx(7.0)


def test_training_accuracy_is_taken_over_a_limited_number_of_images(
    tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_module, "_TRAIN_SAMPLE", 50)
    assert ImageTask(tiny_dataset, batch_size=10).evaluate(Brightness(), "train").samples == 50


def test_parts_have_the_sizes_of_the_data_set(tiny_task: ImageTask) -> None:
    assert [tiny_task.samples(part) for part in ("train", "validation", "test")] == [70, 20, 30]
    assert (tiny_task.batch_size, tiny_task.steps_per_pass) == (10, 7)


def test_the_data_seed_alone_decides_the_split(tiny_dataset: Dataset) -> None:
    def validation(**seeds: int) -> Any:
        task = ImageTask(tiny_dataset, batch_size=10, **seeds)
        return task._parts["validation"].x

    assert torch.equal(validation(seed=0), validation(seed=1))
    assert not torch.equal(validation(data_seed=0), validation(data_seed=1))


def test_no_image_is_both_trained_and_validated_on(tiny_task: ImageTask) -> None:
    rows = [
        {tuple(x) for x in tiny_task._parts[part].x.flatten(1).tolist()} for part in ("train", "validation")
    ]
    assert rows[0] & rows[1] == set()
    assert len(rows[0]) + len(rows[1]) == 90


def test_augmentation_follows_the_data_set_unless_said_otherwise(tiny_dataset: Dataset) -> None:
    colourful = replace(tiny_dataset, augmented=True, train_x=np.tile(tiny_dataset.train_x, (1, 1, 2, 2)))
    colourful = replace(colourful, test_x=np.tile(tiny_dataset.test_x, (1, 1, 2, 2)))
    assert ImageTask(colourful, batch_size=10).augmented
    assert not ImageTask(colourful, batch_size=10, augment=False).augmented
    assert not ImageTask(tiny_dataset, batch_size=10).augmented


class Seen(Learner):
    """Keeps what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[Tensor] = []

    def scores(self, x: Tensor) -> Tensor:
        self.images.append(x)
        return torch.zeros(len(x), 3)


def test_images_are_evaluated_as_they_are_also_where_training_augments_them(tiny_dataset: Dataset) -> None:
    large = replace(tiny_dataset, train_x=np.tile(tiny_dataset.train_x, (1, 1, 2, 2)))
    large = replace(large, test_x=np.tile(tiny_dataset.test_x, (1, 1, 2, 2)))
    shown = []
    for augment in (False, True):
        task, learner = ImageTask(large, batch_size=10, augment=augment), Seen()
        for part in ("train", "validation", "test"):
            task.evaluate(learner, part)
        shown.append(torch.cat(learner.images))
    assert torch.equal(*shown)


def test_data_of_one_class_are_refused(tiny_dataset: Dataset) -> None:
    flat = replace(tiny_dataset, train_y=np.zeros_like(tiny_dataset.train_y))
    with pytest.raises(DataError, match="labels are 0: a classifier needs two classes"):
        ImageTask(flat, batch_size=10)


@pytest.mark.parametrize("size", [0, 71])
def test_a_batch_size_that_cannot_be_is_refused(tiny_dataset: Dataset, size: int) -> None:
    with pytest.raises(UsageError, match=f"--batch-size {size}"):
        ImageTask(tiny_dataset, batch_size=size)


def test_an_unknown_scale_is_refused(tiny_dataset: Dataset) -> None:
    with pytest.raises(UsageError, match="'normalised' or 'unit', not 'raw'"):
        ImageTask(tiny_dataset, input_scale="raw")


def test_a_batch_of_one_works(tiny_dataset: Dataset) -> None:
    batch = next(ImageTask(tiny_dataset, batch_size=1).one_pass(0))
    assert batch.x.shape == (1, 1, 4, 4)
    assert batch.y.shape == (1,)
