"""Batches on the device: order, scale, augmentation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.errors import UsageError
from learners.data.augmentation import CropAndFlip
from learners.data.batches import InputScale, ResidentData, TrainingBatches
from learners.data.datasets import load
from learners.data.seed import derived_seed

SCALES: tuple[InputScale, ...] = ("normalised", "unit")


def numbered(count: int, shape: tuple[int, int, int] = (1, 2, 2)) -> ResidentData:
    """Return data whose pixels and labels are the sample's number."""
    y = torch.arange(count)
    return ResidentData(x=y[:, None, None, None].float().expand(count, *shape).contiguous(), y=y)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 2**31))
def test_a_pass_holds_each_sample_at_most_once_in_whole_batches(count: int, size: int, seed: int) -> None:
    if size > count:
        return
    batches = list(TrainingBatches(numbered(count), size, seed).one_pass(0))
    assert len(batches) == count // size
    assert all(batch.x.shape == (size, 1, 2, 2) for batch in batches)
    seen = torch.cat([batch.y for batch in batches])
    assert len(seen.unique()) == len(seen)
    assert all(bool((batch.x[:, 0, 1, 1] == batch.y).all()) for batch in batches)


def order(seed: int, number: int) -> list[int]:
    return torch.cat([b.y for b in TrainingBatches(numbered(100), 10, seed).one_pass(number)]).tolist()


def test_the_order_depends_on_seed_and_pass_and_on_nothing_else() -> None:
    torch.manual_seed(1)
    first = order(0, 3)
    torch.rand(5)
    assert order(0, 3) == first
    assert order(0, 4) != first
    assert order(1, 3) != first


def test_global_randomness_is_left_alone() -> None:
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    order(0, 0)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("size", [0, -3])
def test_a_batch_of_nothing_is_an_error(size: int) -> None:
    with pytest.raises(UsageError, match=f"--batch-size {size} is no size"):
        TrainingBatches(numbered(10), size, 0)


def test_a_batch_larger_than_the_data_is_an_error() -> None:
    with pytest.raises(UsageError, match="--batch-size 11 is larger than the training data, 10 samples"):
        TrainingBatches(numbered(10), 11, 0)


def test_chunks_cover_everything_in_order_without_a_copy() -> None:
    data = numbered(10)
    chunks = list(data.chunks(4))
    assert [len(chunk.y) for chunk in chunks] == [4, 4, 2]
    assert torch.equal(torch.cat([chunk.y for chunk in chunks]), data.y)
    assert chunks[1].x.untyped_storage().data_ptr() == data.x.untyped_storage().data_ptr()


def test_normalised_inputs_have_zero_mean_and_unit_variance_and_unit_ones_lie_in_0_1() -> None:
    digits = load("digits")
    everything = np.arange(len(digits.train_y))
    normalised, unit = (
        ResidentData.place(digits, digits.train_x, digits.train_y, everything, scale, "cpu")
        for scale in SCALES
    )
    assert abs(float(normalised.x.mean())) < 1e-5
    assert abs(float(normalised.x.std(correction=0)) - 1) < 1e-5
    assert (float(unit.x.min()), float(unit.x.max())) == (0.0, 1.0)
    np.testing.assert_array_equal((unit.x * 16).round().byte().numpy(), digits.train_x)


def test_only_the_chosen_images_are_placed_in_their_order() -> None:
    digits = load("digits")
    chosen = np.array([700, 3, 12])
    placed = ResidentData.place(digits, digits.train_x, digits.train_y, chosen, "unit", "cpu")
    np.testing.assert_array_equal((placed.x * 16).byte().numpy(), digits.train_x[chosen])
    assert placed.y.tolist() == digits.train_y[chosen].tolist()


def test_scaling_leaves_the_published_bytes_alone() -> None:
    digits = load("digits")
    before = digits.train_x.copy()
    ResidentData.place(digits, digits.train_x, digits.train_y, np.arange(9), "normalised", "cpu")
    np.testing.assert_array_equal(digits.train_x, before)


@pytest.mark.parametrize("flip", [False, True])
def test_augmentation_is_reflection_padding_then_crop_then_flip(flip: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(64, 3, 9, 7, generator=generator)
    augmentation = CropAndFlip.build(9, 7, pad=3, flip=flip)
    variant = augmentation.draw(64, generator)
    padded = torch.nn.functional.pad(x, (3, 3, 3, 3), mode="reflect")
    for number, result in enumerate(augmentation.apply(x, variant)):
        flipped, place = divmod(int(variant[number]), 49)
        top, left = divmod(place, 7)
        expected = padded[number, :, top : top + 9, left : left + 7]
        assert torch.equal(result, expected.flip(2) if flipped else expected)


def test_every_variant_is_drawn() -> None:
    augmentation = CropAndFlip.build(32, 32)
    drawn = augmentation.draw(20_000, torch.Generator().manual_seed(0))
    assert len(drawn.unique()) == len(augmentation.table) == 2 * 9 * 9


def test_augmented_batches_hold_the_same_samples_in_the_same_order() -> None:
    data = numbered(40, (1, 8, 8))
    plain, augmented = (
        [b.y for b in TrainingBatches(data, 8, 0, augmentation).one_pass(2)]
        for augmentation in (None, CropAndFlip.build(8, 8))
    )
    assert torch.equal(torch.cat(plain), torch.cat(augmented))


def test_augmentation_differs_from_pass_to_pass_and_repeats_with_the_seed() -> None:
    alike = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0)).repeat(16, 1, 1, 1)
    data = ResidentData(x=alike, y=torch.zeros(16, dtype=torch.int64))  # so that the order changes nothing
    batches = TrainingBatches(data, 16, 0, CropAndFlip.build(8, 8))
    first, again, other = (next(iter(batches.one_pass(number))).x for number in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_images_too_small_to_be_padded_are_an_error() -> None:
    with pytest.raises(UsageError, match="4x8 cannot be padded by 4 pixels"):
        CropAndFlip.build(4, 8)


def test_seeds_for_different_purposes_differ() -> None:
    seeds = {derived_seed(s, p, n) for s in range(3) for p in ("order", "augmentation") for n in range(3)}
    assert len(seeds) == 18
    assert all(0 <= seed < 2**63 for seed in seeds)
