from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.errors import UnknownName, UsageError
from learners.base import DataSpec
from learners.networks.architecture import Architecture, parse_architecture


def test_both_kinds_are_read():
    assert parse_architecture("mlp:1000,1000") == Architecture(kind="mlp", widths=(1000, 1000))
    assert parse_architecture(" CONV: 32, 128 ,512 ") == Architecture(kind="conv", widths=(32, 128, 512))
    assert parse_architecture("mlp:").widths == parse_architecture("mlp").widths == ()


@given(st.sampled_from(["mlp", "conv"]), st.lists(st.integers(1, 10**6), min_size=1, max_size=6))
@settings(max_examples=50, deadline=None)
def test_what_it_writes_it_reads(kind, widths):
    architecture = Architecture(kind=kind, widths=tuple(widths))
    assert parse_architecture(str(architecture)) == architecture


@pytest.mark.parametrize(
    "text", ["mlp:0", "mlp:-3", "mlp:1.5", "mlp:10,,10", "mlp:10,", "mlp:ten", "mlp:9999999", "mlp:²"]
)
def test_a_width_that_cannot_be_meant_is_refused_in_one_line(text):
    with pytest.raises(UsageError, match="each must be a whole number from 1 to 1,000,000"):
        parse_architecture(text)


def test_an_unknown_kind_names_the_nearest():
    with pytest.raises(UnknownName, match="unknown architecture 'mpl': did you mean 'mlp'"):
        parse_architecture("mpl:10")


def test_conv_needs_a_block():
    with pytest.raises(UsageError, match="architecture 'conv:' has no block"):
        parse_architecture("conv:")


@pytest.mark.parametrize(
    ("image", "shapes"),
    [((28, 28), ((4, 14, 14), (8, 7, 7), (16, 3, 3))), ((8, 8), ((4, 4, 4), (8, 2, 2), (16, 1, 1)))],
)
def test_each_block_halves_the_image_and_drops_what_is_odd(image, shapes):
    spec = DataSpec(shape=(1, *image), classes=10)
    assert parse_architecture("conv:4,8,16").layer_shapes(spec) == shapes


def test_an_image_pooled_away_is_refused_with_the_depth_that_fits():
    with pytest.raises(
        UsageError, match=r"too deep for 7x9 images: block 3 has no 2x2 window .* at most 2 blocks"
    ):
        parse_architecture("conv:4,8,16").layer_shapes(DataSpec(shape=(1, 7, 9), classes=10))
