"""A pickle is a program: only one that describes arrays of bytes is run."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyprof.errors import DataError
from learners.data.restricted_pickle import PickledArray, load_restricted


class Malicious:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def complaint(content: bytes) -> str:
    """Return what is said against a pickle, or nothing where it is read."""
    try:
        load_restricted("batch", content)
    except DataError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_pickle_that_runs_a_command_is_refused_and_does_not_run_it(tmp_path: Path, protocol: int) -> None:
    target = tmp_path / "made"
    content = pickle.dumps({"data": Malicious(os.mkdir, str(target))}, protocol=protocol)
    with pytest.raises(DataError, match=r"it asks for (posix|nt)\.mkdir, which no data set needs"):
        load_restricted("batch", content)
    assert not target.exists()


@pytest.mark.parametrize("function", [eval, getattr, np.frombuffer, np.load, __import__])
def test_no_other_function_is_let_through(function: Any) -> None:
    with pytest.raises(DataError, match="it asks for"):
        load_restricted("batch", pickle.dumps({"data": Malicious(function, "1")}))


def test_arrays_of_bytes_come_back_as_they_were() -> None:
    array = np.arange(12, dtype=np.uint8).reshape(3, 4)
    loaded = load_restricted("batch", pickle.dumps({b"data": array, b"labels": [1, 2]}, protocol=2))
    assert isinstance(loaded["data"], PickledArray)
    np.testing.assert_array_equal(loaded["data"].array(), array)
    assert loaded["labels"] == [1, 2]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(3, np.float32), "not of unsigned bytes"),
        (np.array([print], dtype=object), "not of unsigned bytes|it asks for"),
        (np.asfortranarray(np.zeros((3, 2), np.uint8)), "C order"),
    ],
)
def test_other_arrays_are_refused(array: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_restricted("batch", pickle.dumps({b"data": array}, protocol=2))


def test_an_array_whose_shape_does_not_fit_its_bytes_is_refused() -> None:
    content = pickle.dumps({b"data": np.zeros((2, 3), np.uint8)}, protocol=2)
    with pytest.raises(DataError, match=r"shape \(2, 4\) with 6 bytes"):
        load_restricted("batch", content.replace(b"K\x02K\x03\x86", b"K\x02K\x04\x86"))


def test_a_pickle_cannot_change_the_functions_it_is_given() -> None:
    payload = b"\x80\x02c_codecs\nencode\nN}X\x0c\x00\x00\x00__defaults__K\x01s\x86b."
    with pytest.raises(DataError):
        load_restricted("batch", payload)


def test_something_else_than_a_dictionary_is_refused() -> None:
    with pytest.raises(DataError, match="holds a list"):
        load_restricted("batch", pickle.dumps([1]))


def test_a_reference_out_of_the_file_is_refused() -> None:
    with pytest.raises(DataError, match="outside of the file"):
        load_restricted("batch", b"\x80\x02}X\x01\x00\x00\x00aX\x01\x00\x00\x00bQs.")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_whatever_the_bytes_the_only_error_is_a_data_error(content: bytes) -> None:
    assert "\n" not in complaint(content)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_pickle_gives_an_array_or_a_data_error(place: int, value: int) -> None:
    content = bytearray(pickle.dumps({b"data": np.zeros((5, 8), np.uint8), b"labels": [0] * 5}, protocol=2))
    content[place % len(content)] = value
    assert "\n" not in complaint(bytes(content))
