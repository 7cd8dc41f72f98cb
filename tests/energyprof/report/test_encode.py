from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.record.model import Provenance
from energyprof.report.encode import bucket, json_for_html, jsonable, pack, thin, unpack

NUMBERS = st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), max_size=200)


@settings(max_examples=60, deadline=None)
@given(values=NUMBERS, resolution=st.sampled_from([1e-6, 1e-3, 0.5, 1.0, 100.0]))
def test_a_packed_series_comes_back_within_half_its_resolution(
    values: list[float], resolution: float
) -> None:
    packed = pack(values, resolution)
    back = unpack(json.loads(json.dumps(packed)))
    wanted = np.array(values)
    assert np.array_equal(np.isnan(back), np.isnan(wanted))
    known = ~np.isnan(wanted)
    assert np.all(np.abs(back[known] - wanted[known]) <= packed["r"] * 0.5000001 + 1e-9)


def test_infinities_are_missing_values() -> None:
    back = unpack(pack([1.0, math.inf, -math.inf, 4.0], 0.01))
    assert np.isnan(back[1:3]).all()
    assert back[[0, 3]] == pytest.approx([1.0, 4.0])


def test_a_resolution_too_fine_for_a_double_is_coarsened() -> None:
    packed = pack([1e18, 0.0], 1e-9)
    assert packed["r"] > 1e-9
    assert unpack(packed)[0] == pytest.approx(1e18, rel=1e-12)


def test_a_steady_series_packs_to_almost_nothing() -> None:
    assert len(pack(np.arange(100_000) * 0.1, 1e-4)["d"]) < 2_000


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(blacklist_categories=()), max_size=100))
def test_json_in_a_page_cannot_end_its_script_and_reads_back_the_same(text: str) -> None:
    written = json_for_html({"name": text, text: 1})
    assert not re.search("[<>&\u2028\u2029]", written)
    written.encode("utf-8")
    assert json.loads(written)["name"] == text


def test_what_is_not_finite_is_null() -> None:
    assert json_for_html([math.nan, math.inf, -math.inf, 1.5]) == "[null,null,null,1.5]"


def test_enums_arrays_and_unknown_things_become_json() -> None:
    value = {"source": Provenance.COUNTER, "n": np.int64(3), "x": np.array([1.0, math.nan]), "o": 1 + 2j}
    assert jsonable(value) == {"source": "counter", "n": 3, "x": [1.0, None], "o": "(1+2j)"}


@settings(max_examples=40, deadline=None)
@given(values=st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=300), limit=st.integers(1, 50))
def test_buckets_keep_extremes_and_mean(values: list[float], limit: int) -> None:
    value = np.array(values)
    taken = bucket(np.arange(len(value), dtype=float), value, limit)
    assert len(taken.mean) <= limit
    assert taken.low.min() == value.min()
    assert taken.high.max() == value.max()
    sizes = np.minimum(taken.size, len(value) - taken.size * np.arange(len(taken.mean)))
    assert (taken.mean * sizes).sum() == pytest.approx(value.sum(), abs=1e-6)


def test_an_empty_series_has_no_buckets() -> None:
    assert len(bucket(np.empty(0), np.empty(0), 5).mean) == 0


def test_thinning_keeps_both_ends() -> None:
    kept = thin(1000, 7)
    assert len(kept) == 7
    assert (kept[0], kept[-1]) == (0, 999)
    assert thin(3, 7).tolist() == [0, 1, 2]
